//! The default backend: a mutex of the standard library.

use core::fmt;
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::attached::{Attached, ByThreadLocal};
use crate::{AttachError, Backend, FromTokens, TryLock, Wait};

/// A standard mutex as the big lock.
///
/// It ignores poisoning: a panic in one part of the program says nothing about the rest of the
/// data that a big lock protects.
///
/// ```
/// use biglock::{Lock, StdMutex, Unlocked};
///
/// static MUTEX: StdMutex = StdMutex::new();
/// enum Big {}
/// impl Lock for Big {
///     type Backend = StdMutex;
///     const LOCK: &'static StdMutex = &MUTEX;
/// }
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// drop(thread.lock());
/// # Ok::<(), biglock::AttachError>(())
/// ```
pub struct StdMutex {
    mutex: Mutex<()>,
    attached: ByThreadLocal,
}

impl StdMutex {
    /// Creates a lock that no thread holds.
    pub const fn new() -> Self {
        StdMutex { mutex: Mutex::new(()), attached: ByThreadLocal::NONE }
    }
}

impl Default for StdMutex {
    fn default() -> Self {
        Self::new()
    }
}

// Not derived: the mutex would be locked while its state is printed, under whatever writes the text.
impl fmt::Debug for StdMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdMutex").finish_non_exhaustive()
    }
}

// SAFETY: 1 and 2 are what `std::sync::Mutex` does, and `Held` is its guard. 3: `lock` of a
// std mutex panics only on a thread that holds it; `held` in the thread's one token keeps
// that from happening. 4: that of `attached`.
unsafe impl Backend for StdMutex {
    type Held = MutexGuard<'static, ()>;

    #[inline]
    fn lock(&'static self, _: FromTokens) -> Self::Held {
        self.mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        self.attached.attach()
    }

    fn detach(&'static self, _: FromTokens) {
        self.attached.detach();
    }
}

// SAFETY: a guard of the mutex, as `lock` returns it.
unsafe impl TryLock for StdMutex {
    #[inline]
    fn try_lock(&'static self, _: FromTokens) -> Option<Self::Held> {
        match self.mutex.try_lock() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

// SAFETY: std's condition variable returns the guard of the same mutex, locked.
unsafe impl Wait for StdMutex {
    type Condvar = Condvar;

    fn wait(&'static self, condvar: &Condvar, held: Self::Held) -> Self::Held {
        condvar.wait(held).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_timeout(
        &'static self,
        condvar: &Condvar,
        held: Self::Held,
        limit: Duration,
    ) -> (Self::Held, bool) {
        let (held, result) =
            condvar.wait_timeout(held, limit).unwrap_or_else(PoisonError::into_inner);
        (held, result.timed_out())
    }

    fn notify_one(condvar: &Condvar) {
        condvar.notify_one();
    }

    fn notify_all(condvar: &Condvar) {
        condvar.notify_all();
    }
}

/// The example of the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
