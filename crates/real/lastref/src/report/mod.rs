//! What a migration ends with: a table for people, a JSON object for programs, and for `demo` a
//! page that shows it.

mod axis;
mod bandwidth;
mod counts;
mod events;
mod html;
mod labels;
mod lanes;
mod layout;
mod numbers;
pub(crate) mod page;
mod passes;
mod picture;
mod scale;
mod timeline;
mod wrap;

use std::io::Write;
use std::time::Duration;

use migration::{
    LifeEvent, LifeEventKind, MigrationError, MigrationInfo, MigrationStatus, Observer, error_chain,
};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::size::Size;

/// The result, in the names of QAPI's `MigrationInfo`; times in milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    status: &'static str,
    total_time: u64,
    downtime: u64,
    #[serde(skip)]
    exact_downtime: Duration,
    setup_time: u64,
    ram: RamStats,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_desc: Option<String>,
    /// What may be behind the error.
    #[serde(skip)]
    tip: Option<&'static str>,
    /// For `demo`: who found the pages that were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dirty_log: Option<&'static str>,
    /// For `demo`: every page and every write was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<bool>,
    /// For `demo`: the life of the migration object at each side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<Lives>,
}

/// QAPI's `MigrationStats`, as far as they are kept; bytes and pages.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct RamStats {
    total: u64,
    transferred: u64,
    remaining: u64,
    normal: u64,
    normal_bytes: u64,
    duplicate: u64,
    dirty_sync_count: u64,
    page_size: u64,
    /// Megabits a second over the whole migration.
    mbps: f64,
}

/// The lives of both migration objects of `demo`.
#[derive(Debug, Serialize)]
pub(crate) struct Lives {
    pub(crate) source: Option<ObjectLife>,
    pub(crate) destination: Option<ObjectLife>,
}

/// The life of one migration object; times in milliseconds since it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ObjectLife {
    published: f64,
    retired: f64,
    /// The most counted references that there were at one time, the owner's among them.
    counted_references: usize,
    dropped: f64,
    /// The thread that let the last reference go.
    last_dropped_by: String,
}

const PAGE: u64 = 4096;

/// The JSON object of what failed before there was a migration.
pub(crate) fn print_failure(status: MigrationStatus, error: &str) {
    let status = status.name();
    let report = serde_json::json!({ "status": status, "error-desc": error });
    // If nobody listens, the exit status says it.
    let _ = writeln!(std::io::stdout(), "{report}");
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Report {
    pub(crate) fn new(observer: &Observer) -> Self {
        let (status, info) = (observer.status(), observer.info());
        let MigrationInfo { total_time, downtime, setup_time, .. } = info;
        let seconds = total_time.as_secs_f64();
        Report {
            status: status.name(),
            total_time: milliseconds(total_time),
            downtime: milliseconds(downtime),
            exact_downtime: downtime,
            setup_time: milliseconds(setup_time),
            ram: RamStats {
                total: info.total,
                transferred: info.transferred,
                remaining: info.remaining,
                normal: info.normal,
                normal_bytes: info.normal * PAGE,
                duplicate: info.duplicate,
                dirty_sync_count: info.dirty_sync_count,
                page_size: PAGE,
                mbps: if seconds > 0.0 { info.transferred as f64 * 8e-6 / seconds } else { 0.0 },
            },
            error_desc: observer.error().map(|error| error_chain(&*error)),
            tip: None,
            dirty_log: None,
            verified: None,
            object: None,
        }
    }

    pub(crate) fn completed(&self) -> bool {
        self.status == MigrationStatus::Completed.name()
    }

    /// It was not cancelled, and did not work.
    pub(crate) fn failed(&self) -> bool {
        self.status == MigrationStatus::Failed.name()
    }

    /// Says what may be behind the error, for a migration over `channels` beside the main one.
    pub(crate) fn with_tip(mut self, observer: &Observer, channels: Option<u8>) -> Self {
        self.tip = observer.error().and_then(|error| tip(&error, channels));
        self
    }

    /// The downtime as it was seen at both ends, where that is known.
    pub(crate) fn set_downtime(&mut self, downtime: Duration) {
        self.downtime = milliseconds(downtime);
        self.exact_downtime = downtime;
    }

    /// Adds an error that came after the end of the migration.
    pub(crate) fn add_error(&mut self, error: String) {
        self.error_desc = Some(match self.error_desc.take() {
            Some(first) => format!("{first}; {error}"),
            None => error,
        });
    }

    /// Prints the result where it belongs. Whether it was a success is in it too.
    pub(crate) fn finish(self, json: bool) -> Result<(), Failure> {
        self.print_table();
        if json {
            let text =
                serde_json::to_string(&self).map_err(|error| Failure::Print(error.into()))?;
            // The exit status tells what became of the machine, whoever listens.
            if let Err(error) = writeln!(std::io::stdout(), "{text}") {
                say!("lastref: {}", error_chain(&Failure::Print(error)));
            }
        }
        if self.completed() && self.verified != Some(false) && self.error_desc.is_none() {
            Ok(())
        } else {
            Err(Failure::Reported)
        }
    }

    fn print_table(&self) {
        for (name, value) in self.rows() {
            say!("{name:>12}  {value}");
        }
    }

    /// What people are told, line by line.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let ram = &self.ram;
        let mut rows = Vec::new();
        let mut row = |name, value| rows.push((name, value));
        row("status", self.status.to_owned());
        let cancelled = MigrationStatus::Cancelled.name();
        if let Some(error) = self.error_desc.as_ref().filter(|error| *error != cancelled) {
            row("error", error.clone());
        }
        if let Some(tip) = self.tip {
            row("tip", tip.to_owned());
        }
        if self.completed() {
            if ram.dirty_sync_count != 0 {
                row("passes", ram.dirty_sync_count.to_string());
            }
            row(
                "memory",
                format!(
                    "{} in {} pages and {} zero pages",
                    Size(ram.total),
                    ram.normal,
                    ram.duplicate
                ),
            );
            row("stream", Size(ram.transferred).to_string());
            row("total time", format!("{} ms", self.total_time));
            if !self.exact_downtime.is_zero() {
                row("downtime", format!("{:.1} ms", self.exact_downtime.as_secs_f64() * 1e3));
            }
            let seconds = self.total_time.max(1) as f64 / 1e3;
            row("throughput", format!("{:.2} GB/s", ram.transferred as f64 / seconds / 1e9));
        }
        if let Some(log) = self.dirty_log {
            row("dirty log", log.to_owned());
        }
        if let Some(lives) = &self.object {
            for (name, life) in [("source", &lives.source), ("destination", &lives.destination)] {
                if let Some(life) = life {
                    row(name, life.sentence());
                }
            }
        }
        match self.verified {
            Some(true) => row("verified", "every page and every write".into()),
            Some(false) => row("verified", "NO".into()),
            None => {}
        }
        rows
    }
}

/// What a person may not think of.
fn tip(error: &MigrationError, channels: Option<u8>) -> Option<&'static str> {
    match (error, channels) {
        (MigrationError::PeerClosed { .. }, Some(_)) => {
            Some("a QEMU with -uuid closes channels that do not say the same UUID: --uuid")
        }
        (MigrationError::Load(error), None) if error.is_end_of_stream() => Some(
            "the source closed the connection; one that sends over channels (QEMU's multifd) is \
             received with --channels",
        ),
        (MigrationError::Load(error), Some(_)) if error.is_end_of_stream() => {
            Some("the source closed the connection: it may have failed, and then says why")
        }
        _ => None,
    }
}

impl ObjectLife {
    pub(crate) fn new(events: &[LifeEvent]) -> Option<Self> {
        let at = |what| events.iter().find(|event| event.what == what);
        let born = at(LifeEventKind::Created)?.at;
        let since = |event: &LifeEvent| event.at.duration_since(born).as_secs_f64() * 1e3;
        let dropped = at(LifeEventKind::Dropped)?;
        Some(ObjectLife {
            published: since(at(LifeEventKind::Published)?),
            retired: since(at(LifeEventKind::Retired)?),
            counted_references: counts::most(&counts::over_time(
                events.iter().map(|event| (event.at, event.what.into())),
            )),
            dropped: since(dropped),
            last_dropped_by: dropped.thread.clone(),
        })
    }

    fn sentence(&self) -> String {
        format!(
            "object exported from {:.1} to {:.1} ms, counted references: at most {}, the last dropped by {}",
            self.published, self.retired, self.counted_references, self.last_dropped_by
        )
    }
}
