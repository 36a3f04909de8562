//! One migration, measured.
//!
//! The time is the source's own total time, at the best resolution that it gives: QEMU's from
//! the event of SETUP to that of COMPLETED, which it stamps in microseconds; ours from `--json`.
//! Either begins when the source is told to migrate, its RAM being there, and ends when the
//! source is done. QEMU is done when its last byte is with the kernel (no return path, as is its
//! default), ours when the destination has answered.
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
    /// Total time at the source.
    pub(crate) seconds: f64,
    /// Guest RAM over the total time, in bytes a second.
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
