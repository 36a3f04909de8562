//! The course of one migration: when it came to which status, what each pass over memory sent,
//! and when the last byte went.

use std::time::Instant;

use crate::status::MigrationStatus;

/// What happened when since the last migration began. Nothing of it is in QEMU's `query-migrate`.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// Each status that it came to, oldest first.
    pub statuses: Vec<(MigrationStatus, Instant)>,
    /// Each pass over memory at the source, one that was broken off too. The last of a migration that
    /// came so far is the rest, sent while the machine stood still. Of more than 1024 passes they are
    /// the last.
    pub passes: Vec<Pass>,
    /// When the source had given the last byte of the stream away.
    pub sent: Option<Instant>,
}

/// One pass over memory.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Which one it was, from 1.
    pub number: u64,
    /// When the first page was looked for.
    pub began: Instant,
    /// When the last page was given away, or when it was broken off.
    pub ended: Instant,
    /// Pages that were dirty at its start.
    pub dirty: u64,
    /// Pages that went with their data.
    pub normal: u64,
    /// Pages that went as zero pages.
    pub duplicate: u64,
    /// Bytes of the stream, on all channels.
    pub bytes: u64,
    /// The machine stood still.
    pub stopped: bool,
}
