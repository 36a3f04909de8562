//! One migration, measured.
//!
//! The time begins when the source is told to migrate, its RAM being there, and ends when the
//! source is done and the destination has all of it. A source that has given its last bytes to
//! the kernel is done too early: all zero pages of a small machine fit into a socket's buffer.
//!
//! | from, to | it begins | it ends |
//! | --- | --- | --- |
//! | QEMU, QEMU | the source's event of SETUP | the later of both events of COMPLETED |
//! | QEMU, ours | the source's event of SETUP | its event of COMPLETED, with `return-path` on |
//! | ours, either | our own total time | which lasts until the destination has answered |
//!
//! QEMU stamps its events in microseconds, by one clock; ours is from `--json`, see `lastref.rs`.
//! Between two QEMUs `return-path` is off, as is its default.
//!
//! CPU is what the migration costs, not the start:
//!
//! | end | from | to |
//! | --- | --- | --- |
//! | QEMU's source | `migrate` | COMPLETED |
//! | our source | its first moment | its last, less what a run costs that finds nobody to connect to |
//! | either destination | it listens | its last moment |
//!
//! So a destination's unmapping of RAM is counted at both tools, and a source's at neither, but
//! at ours where RAM is fresh: the run that connects to nobody has not touched it.

use serde::{Deserialize, Serialize};

/// Who is at an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Qemu,
    Ours,
}

/// What one migration took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Measurement {
    /// From the command until both ends are done. The file has the rate alone.
    #[serde(skip)]
    pub(crate) seconds: f64,
    /// Guest RAM over that time, in bytes a second.
    pub(crate) rate: f64,
    /// As the source reports it, in whole milliseconds.
    pub(crate) downtime: f64,
    pub(crate) source: Cost,
    pub(crate) destination: Cost,
}

/// What it took at one end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Cost {
    /// Seconds of CPU.
    pub(crate) cpu: f64,
    /// The most anonymous memory, in bytes; zero if it was too short to see.
    pub(crate) memory: u64,
}

impl Measurement {
    /// Seconds of CPU at both ends.
    pub(crate) fn cpu(&self) -> f64 {
        self.source.cpu + self.destination.cpu
    }

    /// Of the end that had more, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.source.memory.max(self.destination.memory)
    }
}
