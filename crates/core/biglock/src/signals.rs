//! A condition variable that goes with any lock.

use core::fmt;
use core::time::Duration;
use std::sync::PoisonError;
use std::time::Instant;

use super::sync::{Condvar, Mutex, MutexGuard};

/// A condition variable for a lock that has none of its own: a backend's [`Wait`](crate::Wait) calls
/// its functions.
///
/// It counts notifications. A thread looks at the count while it holds the big lock, releases the
/// lock, and waits until the count is another, so no notification in between is lost.
///
/// For a lock `Spin` whose function `take` waits for it:
///
/// ```
/// # use biglock::{AttachError, Backend, FromTokens};
/// # use std::cell::Cell;
/// # use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
///
/// use biglock::{Signals, Wait};
///
/// # struct Spin(AtomicBool);
/// # struct Held(&'static AtomicBool);
/// # impl Drop for Held {
/// #     fn drop(&mut self) {
/// #         self.0.store(false, Ordering::Release);
/// #     }
/// # }
/// # impl Spin {
/// #     fn take(&'static self) -> Held {
/// #         while self.0.swap(true, Ordering::Acquire) {}
/// #         Held(&self.0)
/// #     }
/// # }
/// # thread_local! { static ATTACHED: Cell<bool> = const { Cell::new(false) }; }
/// # unsafe impl Backend for Spin {
/// #     type Held = Held;
/// #     fn lock(&'static self, _: FromTokens) -> Held {
/// #         self.take()
/// #     }
/// #     fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
/// #         if ATTACHED.replace(true) { Err(AttachError::AlreadyAttached) } else { Ok(()) }
/// #     }
/// #     fn detach(&'static self, _: FromTokens) {
/// #         ATTACHED.set(false);
/// #     }
/// # }
///
/// // SAFETY: both return what `take` returns, which `lock` does too.
/// unsafe impl Wait for Spin {
///     type Condvar = Signals;
///     fn wait(&'static self, signals: &Signals, held: Self::Held) -> Self::Held {
///         signals.wait(held, || self.take())
///     }
///     fn wait_timeout(
///         &'static self,
///         signals: &Signals,
///         held: Self::Held,
///         limit: Duration,
///     ) -> (Self::Held, bool) {
///         signals.wait_timeout(held, limit, || self.take())
///     }
///     fn notify_one(signals: &Signals) {
///         signals.notify_one();
///     }
///     fn notify_all(signals: &Signals) {
///         signals.notify_all();
///     }
/// }
/// #
/// # static SPIN: Spin = Spin(AtomicBool::new(false));
/// # enum Big {}
/// # impl biglock::Lock for Big {
/// #     type Backend = Spin;
/// #     const LOCK: &'static Spin = &SPIN;
/// # }
/// # let mut thread = biglock::Unlocked::<Big>::attach()?;
/// # let changed = biglock::Condvar::new();
/// # assert!(changed.wait_timeout(&mut thread.lock(), Duration::from_millis(1)));
/// # Ok::<(), AttachError>(())
/// ```
#[derive(Default)]
pub struct Signals {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Signals {
    fn count(&self) -> MutexGuard<'_, u64> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lock by dropping `held`, waits for a notification, and returns what `take`
    /// does, which takes the lock again.
    pub fn wait<H>(&self, held: H, take: impl FnOnce() -> H) -> H {
        let seen = *self.count();
        drop(held);
        let mut count = self.count();
        while *count == seen {
            count = self.changed.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
        // Before the big lock is taken: who notifies may hold that one.
        drop(count);
        take()
    }

    /// Waits like [`wait`](Signals::wait), but no longer than `limit`. The result has `true` if it
    /// timed out.
    pub fn wait_timeout<H>(&self, held: H, limit: Duration, take: impl FnOnce() -> H) -> (H, bool) {
        let Some(end) = Instant::now().checked_add(limit) else {
            return (self.wait(held, take), false);
        };
        let seen = *self.count();
        drop(held);
        let mut count = self.count();
        let mut left = limit;
        while *count == seen && !left.is_zero() {
            let wait = self.changed.wait_timeout(count, left);
            count = wait.unwrap_or_else(PoisonError::into_inner).0;
            left = end.saturating_duration_since(Instant::now());
        }
        let timed_out = *count == seen;
        drop(count);
        (take(), timed_out)
    }

    /// Wakes one thread that waits by now.
    pub fn notify_one(&self) {
        // Held until the end: a thread that comes later would see the new count, take the wake-up
        // of one that came before, and go on waiting.
        let mut count = self.count();
        *count = count.wrapping_add(1);
        self.changed.notify_one();
    }

    /// Wakes every thread that waits by now.
    pub fn notify_all(&self) {
        let mut count = self.count();
        *count = count.wrapping_add(1);
        self.changed.notify_all();
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}
