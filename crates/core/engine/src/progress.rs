//! Status, counters and first error of one direction, as `query-migrate` reports them.
//!
//! They are an object with its own count, so they can be watched without the BQL and stay readable
//! after the migration object is gone.

use std::error::Error;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bql::BqlUnlocked;

use crate::course::{Course, Pass};
use crate::error::MigrationError;
use crate::status::{Direction, MigrationStatus};
use crate::transitions::allows;
use crate::transport::Uri;

/// Maximum number of passes kept. A migration that does not converge makes passes without end.
const PASSES: usize = 1024;

/// Counters of QAPI's `MigrationStats` and times of `MigrationInfo`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MigrationInfo {
    /// `ram.total`: bytes of guest RAM.
    pub total: u64,
    /// `ram.transferred`: bytes of the stream that were sent so far.
    pub transferred: u64,
    /// `ram.remaining`: bytes of guest RAM that still have to be sent.
    pub remaining: u64,
    /// `ram.normal`: pages sent with their data.
    pub normal: u64,
    /// `ram.duplicate`: pages sent as zero pages.
    pub duplicate: u64,
    /// `ram.dirty-sync-count`: how often the dirty log was read.
    pub dirty_sync_count: u64,
    /// Bytes per second of the last pass; `ram.mbps` is this in megabits.
    pub bandwidth: u64,
    /// `setup-time`.
    pub setup_time: Duration,
    /// `total-time`; while the migration runs, the time so far.
    pub total_time: Duration,
    /// `expected-downtime`, as of the last decision whether to switch over.
    pub expected_downtime: Duration,
    /// `downtime`: how long the machine was stopped, measured at the source. Zero until then.
    pub downtime: Duration,
    /// `socket-address`: where a destination listens, once it does.
    pub socket_address: Option<Uri>,
}

#[derive(Debug, Default)]
struct Inner {
    info: MigrationInfo,
    started: Option<Instant>,
    error: Option<Arc<MigrationError>>,
    /// The status before the last migration.
    before: Option<MigrationStatus>,
    course: Course,
    /// Number of changes that wake a waiting observer.
    changes: u64,
}

/// The progress that the engine writes and observers read. The status is an atomic; the rest is
/// behind a mutex that is never held over I/O.
#[derive(Debug)]
pub(crate) struct Progress {
    direction: Direction,
    status: AtomicU8,
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Progress {
    pub(crate) fn new(direction: Direction) -> Self {
        Progress {
            direction,
            status: AtomicU8::new(MigrationStatus::None as u8),
            inner: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn status(&self) -> MigrationStatus {
        MigrationStatus::from_u8(self.status.load(Ordering::Acquire))
    }

    fn store(&self, mut inner: MutexGuard<'_, Inner>, status: MigrationStatus) {
        let before = self.status();
        debug_assert!(
            allows(self.direction, before, status),
            "{:?}: from {before} to {status} is not in the table",
            self.direction
        );
        inner.course.statuses.push((status, Instant::now()));
        inner.changes += 1;
        self.status.store(status as u8, Ordering::Release);
        self.changed.notify_all();
        drop(inner);
        event!(INFO, direction = ?self.direction, %before, %status, "status");
    }

    /// Sets the status of the next phase of a running migration. A cancelled migration stays in
    /// `cancelling`, whatever its phase.
    pub(crate) fn advance(&self, status: MigrationStatus) {
        let inner = self.lock();
        if self.status() != MigrationStatus::Cancelling {
            self.store(inner, status);
        }
    }

    /// Sets the status to `cancelling` if a migration runs.
    pub(crate) fn set_cancelling(&self) {
        let inner = self.lock();
        let status = self.status();
        if status.is_running() && status != MigrationStatus::Cancelling {
            self.store(inner, MigrationStatus::Cancelling);
        }
    }

    /// Ends the migration with `status`, after everything is cleaned up.
    pub(crate) fn end(&self, status: MigrationStatus) {
        let mut inner = self.lock();
        inner.info.total_time = inner.started.take().map_or(Duration::ZERO, |at| at.elapsed());
        self.store(inner, status);
    }

    /// Begins another migration: clears the counters and the error.
    pub(crate) fn begin(&self) {
        let mut inner = self.lock();
        *inner = Inner {
            started: Some(Instant::now()),
            before: Some(self.status()),
            changes: inner.changes,
            ..Inner::default()
        };
        self.store(inner, MigrationStatus::Setup);
    }

    /// Restarts the clock: a destination does not count the time in which it waits for its source.
    pub(crate) fn restart_clock(&self) {
        self.lock().started = Some(Instant::now());
    }

    /// Changes the counters. It wakes no observer, because it runs thousands of times a second.
    pub(crate) fn update(&self, change: impl FnOnce(&mut MigrationInfo)) {
        change(&mut self.lock().info);
    }

    /// Counts bytes of the stream, on any channel.
    pub(crate) fn count(&self, bytes: usize) {
        self.update(|info| info.transferred += bytes as u64);
    }

    /// Returns the bytes of the stream so far, on all channels.
    pub(crate) fn transferred(&self) -> u64 {
        self.lock().info.transferred
    }

    /// Records a finished pass over memory.
    pub(crate) fn note_pass(&self, pass: impl FnOnce(u64) -> Pass) {
        let mut inner = self.lock();
        let passes = &mut inner.course.passes;
        let pass = pass(passes.last().map_or(1, |before| before.number + 1));
        if passes.len() == PASSES {
            passes.remove(0);
        }
        passes.push(pass);
        drop(inner);
        event!(
            DEBUG,
            number = pass.number,
            dirty = pass.dirty,
            normal = pass.normal,
            duplicate = pass.duplicate,
            bytes = pass.bytes,
            took = ?pass.ended.duration_since(pass.began),
            stopped = pass.stopped,
            "pass"
        );
    }

    /// Records that the last byte of the stream was sent.
    pub(crate) fn note_sent(&self) {
        self.lock().course.sent = Some(Instant::now());
    }

    /// Records that a destination listens at `uri`.
    pub(crate) fn set_socket_address(&self, uri: Uri) {
        let mut inner = self.lock();
        inner.info.socket_address = Some(uri);
        inner.changes += 1;
        self.changed.notify_all();
    }

    /// Keeps `error` if it is the first (`migrate_set_error` of `migration/migration.c`).
    pub(crate) fn set_error(&self, error: MigrationError) {
        self.lock().error.get_or_insert(Arc::new(error));
    }

    pub(crate) fn error(&self) -> Option<Arc<MigrationError>> {
        self.lock().error.clone()
    }

    pub(crate) fn info(&self) -> MigrationInfo {
        let inner = self.lock();
        let mut info = inner.info.clone();
        if let Some(started) = inner.started {
            info.total_time = started.elapsed();
        }
        info
    }
}

/// A view of a migration that code outside may keep without the BQL: it reads status and counters,
/// and can do nothing else. It stays valid for ever; after shutdown it shows the last status.
#[derive(Debug, Clone)]
pub struct Observer {
    progress: Arc<Progress>,
}

impl Observer {
    pub(crate) fn new(progress: &Arc<Progress>) -> Self {
        Observer { progress: Arc::clone(progress) }
    }

    /// Returns the current status.
    #[inline]
    pub fn status(&self) -> MigrationStatus {
        self.progress.status()
    }

    /// Returns whether a migration runs (`migration_is_running`).
    #[inline]
    pub fn is_running(&self) -> bool {
        self.status().is_running()
    }

    /// Returns the status before the last migration, and each status since.
    pub fn history(&self) -> Vec<MigrationStatus> {
        let inner = self.progress.lock();
        let since = inner.course.statuses.iter().map(|(status, _)| *status);
        inner.before.into_iter().chain(since).collect()
    }

    /// Returns the course of events since the last migration began.
    pub fn course(&self) -> Course {
        self.progress.lock().course.clone()
    }

    /// Returns the current counters.
    pub fn info(&self) -> MigrationInfo {
        self.progress.info()
    }

    /// Returns the first error of the last migration.
    pub fn error(&self) -> Option<Arc<MigrationError>> {
        self.progress.error()
    }

    /// Waits until `done` returns `true` or `limit` has passed, and returns the status. It calls
    /// `done` at each change of the status and when a destination begins to listen, with nothing
    /// locked. It blocks, so the BQL must not be held.
    pub fn wait(
        &self,
        _thread: &mut BqlUnlocked,
        limit: Duration,
        done: impl Fn(MigrationStatus, &MigrationInfo) -> bool,
    ) -> MigrationStatus {
        let deadline = Instant::now().checked_add(limit);
        loop {
            let seen = self.progress.lock().changes;
            let status = self.status();
            let left = deadline.map_or(limit, |at| at.saturating_duration_since(Instant::now()));
            if done(status, &self.info()) || left.is_zero() {
                return status;
            }
            let inner = self.progress.lock();
            let same = |inner: &mut Inner| inner.changes == seen;
            drop(self.progress.changed.wait_timeout_while(inner, left, same));
        }
    }
}

/// Formats an error and all of its causes on one line.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
