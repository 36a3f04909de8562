//! A backend over a mutex. Two modules have this text, one for each version of `lock_api`, which
//! `super` names.

use core::fmt;
use core::time::Duration;

use super::lock_api::{Mutex, MutexGuard, RawMutex, RawMutexFair, RawMutexTimed};
use crate::attached::Attached;
use crate::{AttachError, Backend, Fair, FromTokens, Timed, TryLock};

/// A mutex of `lock_api` as the big lock: its own (`M` is `Mutex<R, ()>`), or one that stands
/// elsewhere (`M` is `&'static Mutex<R, ()>`). `A` says how an attached thread is known again.
pub struct RawLock<M, A> {
    mutex: M,
    attached: A,
}

impl<R: RawMutex, A: Attached> RawLock<Mutex<R, ()>, A> {
    /// Creates a lock that no thread holds.
    pub const fn new() -> Self {
        RawLock { mutex: Mutex::new(()), attached: A::NONE }
    }
}

impl<R: RawMutex, A: Attached> Default for RawLock<Mutex<R, ()>, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: RawMutex, A: Attached> RawLock<&'static Mutex<R, ()>, A> {
    /// Makes the big lock of a mutex that code without tokens locks too. While such code holds it,
    /// no thread has a guard. To such code a guard can be [lent](crate::Guard::lend).
    ///
    /// Make one lock of one mutex: a thread could attach to each of two. A thread that locks the
    /// mutex itself while it has a guard waits for itself, as with any mutex.
    pub const fn over(mutex: &'static Mutex<R, ()>) -> Self {
        RawLock { mutex, attached: A::NONE }
    }
}

// Not derived: the mutex would be locked while its state is printed, under whatever writes the text.
impl<M, A> fmt::Debug for RawLock<M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawLock").finish_non_exhaustive()
    }
}

/// Where the mutex of a lock stands. Nothing else implements it.
pub trait Place: sealed::Sealed + Sync + 'static {
    /// What the mutex is made of.
    type Raw: RawMutex + 'static;

    #[doc(hidden)]
    fn mutex(&'static self, _: FromTokens) -> &'static Mutex<Self::Raw, ()>;
}

mod sealed {
    pub trait Sealed {}
}

impl<R> sealed::Sealed for Mutex<R, ()> {}
impl<R> sealed::Sealed for &'static Mutex<R, ()> {}

impl<R: RawMutex + Sync + 'static> Place for Mutex<R, ()> {
    type Raw = R;

    #[inline]
    fn mutex(&'static self, _: FromTokens) -> &'static Mutex<R, ()> {
        self
    }
}

impl<R: RawMutex + Sync + 'static> Place for &'static Mutex<R, ()> {
    type Raw = R;

    #[inline]
    fn mutex(&'static self, _: FromTokens) -> &'static Mutex<R, ()> {
        self
    }
}

impl<M: Place, A> RawLock<M, A> {
    #[inline]
    pub(super) fn mutex(&'static self, from: FromTokens) -> &'static Mutex<M::Raw, ()> {
        self.mutex.mutex(from)
    }
}

// SAFETY: 1 and 2 are what a raw mutex promises, and `Held` is the guard of one mutex: `M` and `A`
// have interior mutability, or name a mutex that has. 3: `lock_api` 0.5 asks as much of a raw
// mutex. 0.4 does not, but makes no guard if one unwinds: if that leaves it locked, no thread gets
// in. 4: that of `attached`.
unsafe impl<M: Place, A: Attached> Backend for RawLock<M, A> {
    type Held = MutexGuard<'static, M::Raw, ()>;

    #[inline]
    fn lock(&'static self, from: FromTokens) -> Self::Held {
        self.mutex(from).lock()
    }

    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        self.attached.attach()
    }

    fn detach(&'static self, _: FromTokens) {
        self.attached.detach();
    }
}

// SAFETY: a guard of the mutex, as `lock` returns it.
unsafe impl<M: Place, A: Attached> TryLock for RawLock<M, A> {
    #[inline]
    fn try_lock(&'static self, from: FromTokens) -> Option<Self::Held> {
        self.mutex(from).try_lock()
    }
}

// SAFETY: a guard of the mutex, as `lock` returns it.
unsafe impl<M, A: Attached> Timed for RawLock<M, A>
where
    M: Place<Raw: RawMutexTimed<Duration = Duration>>,
{
    #[inline]
    fn lock_timeout(&'static self, limit: Duration, from: FromTokens) -> Option<Self::Held> {
        self.mutex(from).try_lock_for(limit)
    }
}

// SAFETY: the guard's own fair release.
unsafe impl<M: Place<Raw: RawMutexFair>, A: Attached> Fair for RawLock<M, A> {
    #[inline]
    fn unlock_fair(&'static self, held: Self::Held) {
        MutexGuard::unlock_fair(held);
    }
}

#[cfg(feature = "std")]
mod wait {
    use core::time::Duration;

    use super::super::lock_api::MutexGuard;
    use super::{Place, RawLock};
    use crate::attached::Attached;
    use crate::{Signals, Wait};

    // SAFETY: both return another guard of the same mutex.
    unsafe impl<M: Place, A: Attached> Wait for RawLock<M, A> {
        type Condvar = Signals;

        fn wait(&'static self, condvar: &Signals, held: Self::Held) -> Self::Held {
            let mutex = MutexGuard::mutex(&held);
            condvar.wait(held, || mutex.lock())
        }

        fn wait_timeout(
            &'static self,
            condvar: &Signals,
            held: Self::Held,
            limit: Duration,
        ) -> (Self::Held, bool) {
            let mutex = MutexGuard::mutex(&held);
            condvar.wait_timeout(held, limit, || mutex.lock())
        }

        fn notify_one(condvar: &Signals) {
            condvar.notify_one();
        }

        fn notify_all(condvar: &Signals) {
            condvar.notify_all();
        }
    }
}
