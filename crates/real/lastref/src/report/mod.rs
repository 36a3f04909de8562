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
mod page;
mod passes;
mod picture;
pub(crate) mod run;
mod scale;
mod timeline;
mod wrap;

use std::io::Write;
use std::time::Duration;

use migration::{
    LifeEvent, LifeEventKind, MigrationError, MigrationInfo, MigrationStatus, Observer, error_chain,
};
use serde::{Deserialize, Serialize, Serializer};

use crate::failure::Failure;
use crate::size::{PAGE, Size};

/// The result, in the names of QAPI's `MigrationInfo`; times in milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Report {
    #[serde(serialize_with = "name")]
    status: MigrationStatus,
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
    /// For `demo`: who ran the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<String>,
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
            status,
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
            machine: None,
            dirty_log: None,
            verified: None,
            object: None,
        }
    }

    pub(crate) fn completed(&self) -> bool {
        self.status == MigrationStatus::Completed
    }

    /// Returns whether the migration failed, other than by being cancelled.
    pub(crate) fn failed(&self) -> bool {
        self.status == MigrationStatus::Failed
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
        for (fact, value) in self.facts() {
            say!("{:>12}  {value}", fact.label());
        }
    }

    /// Returns every fact that there is, in the order in which people read them.
    fn facts(&self) -> impl Iterator<Item = (Fact, String)> {
        Fact::ALL.into_iter().filter_map(|fact| Some((fact, self.fact(fact)?)))
    }

    /// Returns a fact as people read it, if it is known of this migration.
    fn fact(&self, fact: Fact) -> Option<String> {
        let ram = &self.ram;
        let sentence = |life: Option<&ObjectLife>| life.map(ObjectLife::sentence);
        let lives = self.object.as_ref();
        match fact {
            Fact::Status => Some(self.status.to_string()),
            // Of a migration that was cancelled the status says it.
            Fact::Error => self.error_desc.clone().filter(|error| error != self.status.name()),
            Fact::Tip => self.tip.map(str::to_owned),
            Fact::Machine => self.machine.clone(),
            Fact::DirtyLog => self.dirty_log.map(str::to_owned),
            Fact::Source => sentence(lives.and_then(|lives| lives.source.as_ref())),
            Fact::Destination => sentence(lives.and_then(|lives| lives.destination.as_ref())),
            Fact::Verified => self.verified.map(|verified| {
                if verified { "every page and every write" } else { "NO" }.to_owned()
            }),
            _ if !self.completed() => None,
            Fact::Passes => (ram.dirty_sync_count != 0).then(|| ram.dirty_sync_count.to_string()),
            Fact::Memory => Some(format!(
                "{} in {} pages and {} zero pages",
                Size(ram.total),
                ram.normal,
                ram.duplicate
            )),
            Fact::Stream => Some(Size(ram.transferred).to_string()),
            Fact::TotalTime => Some(format!("{} ms", self.total_time)),
            Fact::Downtime => (!self.exact_downtime.is_zero())
                .then(|| format!("{:.1} ms", self.exact_downtime.as_secs_f64() * 1e3)),
            Fact::Throughput => {
                let seconds = self.total_time.max(1) as f64 / 1e3;
                Some(format!("{:.2} GB/s", ram.transferred as f64 / seconds / 1e9))
            }
        }
    }
}

/// What people are told of a migration, each in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    Status,
    Error,
    Tip,
    Passes,
    Memory,
    Stream,
    TotalTime,
    Downtime,
    Throughput,
    Machine,
    DirtyLog,
    Source,
    Destination,
    Verified,
}

impl Fact {
    const ALL: [Fact; 14] = [
        Fact::Status,
        Fact::Error,
        Fact::Tip,
        Fact::Passes,
        Fact::Memory,
        Fact::Stream,
        Fact::TotalTime,
        Fact::Downtime,
        Fact::Throughput,
        Fact::Machine,
        Fact::DirtyLog,
        Fact::Source,
        Fact::Destination,
        Fact::Verified,
    ];

    fn label(self) -> &'static str {
        match self {
            Fact::Status => "status",
            Fact::Error => "error",
            Fact::Tip => "tip",
            Fact::Passes => "passes",
            Fact::Memory => "memory",
            Fact::Stream => "stream",
            Fact::TotalTime => "total time",
            Fact::Downtime => "downtime",
            Fact::Throughput => "throughput",
            Fact::Machine => "machine",
            Fact::DirtyLog => "dirty log",
            Fact::Source => "source",
            Fact::Destination => "destination",
            Fact::Verified => "verified",
        }
    }
}

/// Writes a status by QAPI's name.
fn name<S: Serializer>(status: &MigrationStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.name())
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
