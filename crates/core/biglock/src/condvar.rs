//! Waiting for a condition with the big lock: the wait takes `&mut Guard`.

use core::fmt;
use core::time::Duration;

use crate::{Brand, Guard, Lock, Wait};

/// A condition variable of lock `L`.
///
/// A wait releases the lock, so it takes `&mut Guard`: no borrow of guarded data survives it.
pub struct Condvar<L: Lock<Backend: Wait>> {
    inner: <L::Backend as Wait>::Condvar,
    _brand: Brand<L>,
}

impl<L: Lock<Backend: Wait>> Condvar<L> {
    /// A condition variable that nobody waits for.
    pub fn new() -> Self {
        Condvar { inner: Default::default(), _brand: Brand::NEW }
    }

    /// Releases the lock, waits to be notified, takes the lock again.
    ///
    /// It may return without a notification; see [`wait_while`](Condvar::wait_while).
    pub fn wait(&self, guard: &mut Guard<'_, L>) {
        guard.wait(|held| (L::LOCK.wait(&self.inner, held), ()));
    }

    /// The same with a limit; `true` says that the limit ran out.
    pub fn wait_timeout(&self, guard: &mut Guard<'_, L>, limit: Duration) -> bool {
        guard.wait(|held| L::LOCK.wait_timeout(&self.inner, held, limit))
    }

    /// Waits until `condition`, looked at with the lock held, is false.
    pub fn wait_while(
        &self,
        guard: &mut Guard<'_, L>,
        mut condition: impl FnMut(&mut Guard<'_, L>) -> bool,
    ) {
        while condition(guard) {
            self.wait(guard);
        }
    }

    /// Wakes one waiting thread.
    pub fn notify_one(&self) {
        L::Backend::notify_one(&self.inner);
    }

    /// Wakes every waiting thread.
    pub fn notify_all(&self) {
        L::Backend::notify_all(&self.inner);
    }
}

impl<L: Lock<Backend: Wait>> Default for Condvar<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Lock<Backend: Wait>> fmt::Debug for Condvar<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
