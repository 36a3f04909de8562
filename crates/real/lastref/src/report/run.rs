//! What the page of `demo --report` is made of: the result, and the records of both processes.

use std::fmt::Write;
use std::time::Duration;

use migration::MigrationStatus;

use super::{Fact, Report, counts};
use crate::record::{Record, Sample, What};

/// The data for the page.
pub(crate) struct Run<'a> {
    pub(crate) report: &'a Report,
    pub(crate) setting: Setting,
    pub(crate) source: &'a Record,
    /// `None` if the destination was killed.
    pub(crate) destination: Option<&'a Record>,
    pub(crate) samples: &'a [Sample],
}

/// The options of `demo`.
pub(crate) struct Setting {
    pub(crate) dirty_rate: u64,
    pub(crate) transport: &'static str,
    pub(crate) channels: Option<u8>,
}

/// One of the two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

impl Side {
    pub(super) const BOTH: [Side; 2] = [Side::Source, Side::Destination];

    pub(super) fn name(self) -> &'static str {
        match self {
            Side::Source => "source",
            Side::Destination => "destination",
        }
    }
}

/// Times are milliseconds since the migration began.
impl<'a> Run<'a> {
    pub(super) fn record(&self, side: Side) -> Option<&'a Record> {
        match side {
            Side::Source => Some(self.source),
            Side::Destination => self.destination,
        }
    }

    pub(super) fn ms(&self, at: Duration) -> f64 {
        let zero = self.source.status(MigrationStatus::Setup).unwrap_or_default();
        let (sign, distance) = if at >= zero { (1.0, at - zero) } else { (-1.0, zero - at) };
        sign * distance.as_secs_f64() * 1e3
    }

    /// Returns when the machine stopped for the migration, if it did.
    pub(super) fn stopped(&self) -> Option<f64> {
        let stopped = self.source.stopped_at;
        (self.source.status(MigrationStatus::Setup).is_some_and(|began| stopped > began))
            .then(|| self.ms(stopped))
    }

    pub(super) fn sent(&self) -> Option<f64> {
        self.source.sent.map(|sent| self.ms(sent))
    }

    /// Returns when the machine started at the destination.
    pub(super) fn started(&self) -> Option<f64> {
        let started = self.destination?.started_at;
        (!started.is_zero()).then(|| self.ms(started))
    }

    /// Returns when the machine resumed at the source, after it had stopped.
    pub(super) fn resumed(&self) -> Option<f64> {
        let Record { stopped_at, started_at, .. } = self.source;
        (self.stopped().is_some() && started_at > stopped_at).then(|| self.ms(*started_at))
    }

    /// Returns when the object of the source was made.
    pub(super) fn begin(&self) -> f64 {
        self.source.first(What::Created).map_or(0.0, |event| self.ms(event.at)).min(0.0)
    }

    /// Returns the time of the last event.
    pub(super) fn end(&self) -> f64 {
        let records = [Some(self.source), self.destination];
        let records = records.into_iter().flatten();
        let last = records.flat_map(|record| {
            let statuses = record.statuses.last().map(|(_, at)| *at);
            record.life.last().map(|event| event.at).into_iter().chain(statuses)
        });
        let last = last.map(|at| self.ms(at)).chain(self.started()).chain(self.resumed());
        last.fold(self.begin(), f64::max)
    }

    /// Returns the numbers of counted references, each with its start.
    pub(super) fn counts(&self, record: &Record) -> Vec<(f64, usize)> {
        counts::over_time(record.life.iter().map(|event| (self.ms(event.at), event.what)))
    }

    /// Summarizes the migration in one sentence.
    pub(super) fn sentence(&self) -> String {
        let mut text = format!("status {}", self.report.status);
        for fact in [Fact::Passes, Fact::TotalTime, Fact::Downtime, Fact::Throughput] {
            if let Some(value) = self.report.fact(fact) {
                let _ = write!(text, ", {} {value}", fact.label());
            }
        }
        text + "."
    }
}
