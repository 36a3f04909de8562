//! The default backend: a mutex of the standard library.

use core::cell::RefCell;
use core::time::Duration;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread_local;
use std::vec::Vec;

use crate::{AttachError, Backend, FromTokens, Wait};

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
#[derive(Debug)]
pub struct StdMutex {
    mutex: Mutex<()>,
}

impl StdMutex {
    /// Creates a lock that no thread holds.
    pub const fn new() -> Self {
        StdMutex { mutex: Mutex::new(()) }
    }

    /// Returns the address that stands for this lock in `ATTACHED`.
    fn address(&'static self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

impl Default for StdMutex {
    fn default() -> Self {
        Self::new()
    }
}

thread_local! {
    /// Addresses of the locks that this thread is attached to. A lock that can be locked is
    /// `'static`, so an address is never used again.
    static ATTACHED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

// SAFETY: 1 and 2 are what `std::sync::Mutex` does, and `Held` is its guard. 3: `lock` of a
// std mutex panics only on a thread that holds it; `held` in the thread's one token keeps
// that from happening. 4: `ATTACHED`.
unsafe impl Backend for StdMutex {
    type Held = MutexGuard<'static, ()>;

    #[inline]
    fn lock(&'static self, _: FromTokens) -> Self::Held {
        self.mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        ATTACHED
            .try_with(|attached| {
                let mut attached = attached.borrow_mut();
                if attached.contains(&self.address()) {
                    return Err(AttachError::AlreadyAttached);
                }
                attached.push(self.address());
                Ok(())
            })
            .unwrap_or(Err(AttachError::ThreadExiting))
    }

    fn detach(&'static self, _: FromTokens) {
        // Fails only while the thread exits, when it cannot attach again either.
        let _ = ATTACHED.try_with(|attached| {
            attached.borrow_mut().retain(|lock| *lock != self.address());
        });
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
