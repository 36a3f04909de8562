//! Waiting for a condition with the big lock: the wait takes `&mut Guard`.

use core::fmt;
use core::time::Duration;

use crate::{Brand, Guard, Lock, Wait};

/// A condition variable of lock `L`.
///
/// A wait releases the lock, so it takes `&mut Guard`: no borrow of guarded data survives it.
///
/// ```
/// # use biglock::{Condvar, Guarded, Lock, StdMutex, Unlocked};
/// # use std::{sync::Arc, thread, time::Duration};
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// static DONE: Guarded<bool, Big> = Guarded::new(false);
///
/// let mut main = Unlocked::<Big>::attach()?;
/// let mut guard = main.lock();
/// let changed = Arc::new(Condvar::<Big>::new());
/// let notifier = Arc::clone(&changed);
/// let worker = thread::spawn(move || {
///     let mut thread = Unlocked::<Big>::attach().expect("attached once");
///     *DONE.borrow_mut(&mut thread.lock()) = true;
///     notifier.notify_one(); // or `notify_all`
/// });
/// changed.wait_while(&mut guard, |guard| !*DONE.borrow(guard));
/// assert!(*DONE.borrow(&guard));
///
/// // A single wait may also end without a notification, so loop around it.
/// while !*DONE.borrow(&guard) {
///     changed.wait(&mut guard);
/// }
/// let _timed_out = changed.wait_timeout(&mut guard, Duration::from_millis(1));
/// # guard.unlocked(|_| worker.join()).expect("the worker does not panic");
/// # Ok::<(), biglock::AttachError>(())
/// ```
///
/// A condition variable in a `static` is made on first use, since [`new`](Condvar::new) is not a
/// constant function:
///
/// ```
/// # use biglock::{Condvar, Lock, StdMutex};
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// use std::sync::LazyLock;
///
/// static CHANGED: LazyLock<Condvar<Big>> = LazyLock::new(Condvar::new);
/// CHANGED.notify_all();
/// ```
pub struct Condvar<L: Lock<Backend: Wait>> {
    inner: <L::Backend as Wait>::Condvar,
    _brand: Brand<L>,
}

impl<L: Lock<Backend: Wait>> Condvar<L> {
    /// Creates a condition variable that no thread waits for.
    pub fn new() -> Self {
        Condvar { inner: Default::default(), _brand: Brand::NEW }
    }

    /// Releases the lock, waits for a notification, and takes the lock again.
    ///
    /// It may return without a notification; see [`wait_while`](Condvar::wait_while).
    pub fn wait(&self, released: &mut Guard<'_, L>) {
        released.wait(|held| (L::LOCK.wait(&self.inner, held), ()));
    }

    /// Waits like [`wait`](Condvar::wait), but no longer than `limit`. Returns `true` if it timed
    /// out.
    pub fn wait_timeout(&self, released: &mut Guard<'_, L>, limit: Duration) -> bool {
        released.wait(|held| L::LOCK.wait_timeout(&self.inner, held, limit))
    }

    /// Waits until `condition` returns `false`. It runs with the lock held.
    pub fn wait_while(
        &self,
        released: &mut Guard<'_, L>,
        mut condition: impl FnMut(&mut Guard<'_, L>) -> bool,
    ) {
        while condition(released) {
            self.wait(released);
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
