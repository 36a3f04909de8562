//! The result of a migration: a table for people, a JSON object for programs, and for `demo` a
//! report page.

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
    /// A possible reason of the error.
    #[serde(skip)]
    tip: Option<&'static str>,
    /// For `demo`: the dirty log that tracked the writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dirty_log: Option<&'static str>,
    /// For `demo`: whether every page and every write arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verified: Option<bool>,
    /// For `demo`: the life of the migration object at each side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<Lives>,
}

/// The supported part of QAPI's `MigrationStats`, in bytes and pages.
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
    /// Maximum number of counted references at one time, including the owner's.
    counted_references: usize,
    dropped: f64,
    /// The thread that dropped the last reference.
    last_dropped_by: String,
}

const PAGE: u64 = 4096;

/// Prints the JSON object of a failure before the migration started.
pub(crate) fn print_failure(status: MigrationStatus, error: &str) {
    let status = status.name();
    let report = serde_json::json!({ "status": status, "error-desc": error });
    // If standard output is closed, the exit status still shows the failure.
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

    /// Returns whether the migration failed, other than by being cancelled.
    pub(crate) fn failed(&self) -> bool {
        self.status == MigrationStatus::Failed.name()
    }

    /// Adds a tip about the error, for a migration over `channels` additional channels.
    pub(crate) fn with_tip(mut self, observer: &Observer, channels: Option<u8>) -> Self {
        self.tip = observer.error().and_then(|error| tip(&error, channels));
        self
    }

    /// Sets the downtime that was measured at both ends.
    pub(crate) fn set_downtime(&mut self, downtime: Duration) {
        self.downtime = milliseconds(downtime);
        self.exact_downtime = downtime;
    }

    /// Adds an error that was found after the end of the migration.
    pub(crate) fn add_error(&mut self, error: String) {
        self.error_desc = Some(match self.error_desc.take() {
            Some(first) => format!("{first}; {error}"),
            None => error,
        });
    }

    /// Prints the result. Returns an error if the migration was not a success.
    pub(crate) fn finish(self, json: bool) -> Result<(), Failure> {
        self.print_table();
        if json {
            let text =
                serde_json::to_string(&self).map_err(|error| Failure::Print(error.into()))?;
            // The exit status is that of the migration, even if the result cannot be printed.
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

    /// Returns the rows of the table.
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

/// Returns a tip about a reason of the error that is easy to miss.
fn tip(error: &MigrationError, channels: Option<u8>) -> Option<&'static str> {
    match (error, channels) {
        (MigrationError::PeerClosed { .. }, Some(_)) => Some(
            "a QEMU with -uuid closes channels that send another UUID than its own: use --uuid",
        ),
        (MigrationError::Load(error), None) if error.is_end_of_stream() => Some(
            "the source closed the connection; if it sends over channels (QEMU's multifd), use \
             --channels",
        ),
        (MigrationError::Load(error), Some(_)) if error.is_end_of_stream() => {
            Some("the source closed the connection: it may have failed and printed the reason")
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
