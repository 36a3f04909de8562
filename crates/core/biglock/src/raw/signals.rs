//! A condition variable that goes with any lock.

use core::fmt;
use std::sync::PoisonError;

use super::sync::{Condvar, Mutex, MutexGuard};

/// A count of notifications, and the threads that wait for the next one.
///
/// A thread looks at the count while it holds the big lock, releases the lock, and waits until the
/// count is another: a notification in between is not lost.
#[derive(Default)]
pub struct Signals {
    count: Mutex<u64>,
    pub(super) changed: Condvar,
}

/// A count that a thread has seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen(pub(super) u64);

impl Signals {
    pub(super) fn count(&self) -> MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the count as it is now.
    pub(crate) fn seen(&self) -> Seen {
        Seen(*self.count())
    }

    /// Waits for a notification after the one that was `seen`.
    pub(crate) fn wait(&self, seen: Seen) {
        let mut count = self.count();
        while *count == seen.0 {
            count = self.changed.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wakes one thread that waits by now.
    pub(crate) fn notify_one(&self) {
        // Held until the end: a thread that comes later would see the new count, take the wake-up
        // of one that came before, and go on waiting.
        let mut count = self.count();
        *count += 1;
        self.changed.notify_one();
    }

    /// Wakes every thread that waits by now.
    pub(crate) fn notify_all(&self) {
        let mut count = self.count();
        *count += 1;
        self.changed.notify_all();
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}
