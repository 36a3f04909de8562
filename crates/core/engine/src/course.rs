//! The course of one migration: the time of each status, the size of each pass over memory, and the
//! time of the last byte.

use std::time::Instant;

use crate::status::MigrationStatus;

/// The events since the last migration began, with their times. QEMU's `query-migrate` has none of
/// these.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// Each status that was reached, oldest first.
    pub statuses: Vec<(MigrationStatus, Instant)>,
    /// Each pass over memory at the source, including one that was broken off; at most the last
    /// 1024. If the migration reached the switchover, the last pass is the one sent while the
    /// machine was stopped.
    pub passes: Vec<Pass>,
    /// The time at which the source had written the last byte of the stream.
    pub sent: Option<Instant>,
}

/// One pass over memory.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// The number of the pass, from 1.
    pub number: u64,
    /// The time at which the search for the first page began.
    pub began: Instant,
    /// The time at which the last page was written, or the pass was broken off.
    pub ended: Instant,
    /// Pages that were dirty when the pass began.
    pub dirty: u64,
    /// Pages sent with their data.
    pub normal: u64,
    /// Pages sent as zero pages.
    pub duplicate: u64,
    /// Bytes of the stream, on all channels.
    pub bytes: u64,
    /// Whether the machine was stopped.
    pub stopped: bool,
}
