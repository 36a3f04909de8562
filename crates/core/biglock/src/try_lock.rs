//! Taking the lock without waiting, or without waiting for ever.

use core::time::Duration;

use crate::{Backend, FromTokens, Guard, Lock, Unlocked};

/// A backend that can take the lock without waiting.
///
/// # Safety
///
/// A value that [`try_lock`](TryLock::try_lock) returns is as good as one of [`Backend::lock`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot take its lock without waiting",
    label = "this backend has no `try_lock`",
    note = "`StdMutex`, `RawLock` and `CriticalSection` have"
)]
pub unsafe trait TryLock: Backend {
    /// Takes the lock if no thread holds it.
    fn try_lock(&'static self, _: FromTokens) -> Option<Self::Held>;
}

/// A backend that can wait for the lock for a limited time.
///
/// # Safety
///
/// A value that [`lock_timeout`](Timed::lock_timeout) returns is as good as one of
/// [`Backend::lock`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot wait for a limited time",
    label = "this backend has no `lock_timeout`",
    note = "a `RawLock` over a mutex of parking_lot has"
)]
pub unsafe trait Timed: Backend {
    /// Waits for the lock and takes it, but waits no longer than `limit`.
    fn lock_timeout(&'static self, limit: Duration, _: FromTokens) -> Option<Self::Held>;
}

impl<L: Lock<Backend: TryLock>> Unlocked<L> {
    /// Takes the lock if no thread holds it.
    ///
    /// If an earlier guard of this thread was leaked, the new guard adopts its lock, as that of
    /// [`lock`](Unlocked::lock) does.
    ///
    /// ```
    /// # use biglock::{Lock, StdMutex, Unlocked};
    /// # static MUTEX: StdMutex = StdMutex::new();
    /// # enum Big {}
    /// # impl Lock for Big {
    /// #     type Backend = StdMutex;
    /// #     const LOCK: &'static StdMutex = &MUTEX;
    /// # }
    /// fn work(thread: &mut Unlocked<Big>) {
    ///     let Some(_guard) = thread.try_lock() else {
    ///         // Not held: the token can be used again.
    ///         return block(thread);
    ///     };
    ///     // Held here.
    /// }
    /// fn block(_: &mut Unlocked<Big>) {}
    /// # work(&mut Unlocked::attach()?);
    /// # Ok::<(), biglock::AttachError>(())
    /// ```
    ///
    /// In the arms of a `match` the token is borrowed whether or not the lock was taken, and so it is
    /// in the `else` of an `if let` before edition 2024.
    #[inline]
    pub fn try_lock(&mut self) -> Option<Guard<'_, L>> {
        self.lock_by(|| L::LOCK.try_lock(FromTokens::NEW))
    }
}

impl<L: Lock<Backend: Timed>> Unlocked<L> {
    /// Waits for the lock and takes it, but waits no longer than `limit`.
    ///
    /// If an earlier guard of this thread was leaked, the new guard adopts its lock, as that of
    /// [`lock`](Unlocked::lock) does.
    #[inline]
    pub fn lock_timeout(&mut self, limit: Duration) -> Option<Guard<'_, L>> {
        self.lock_by(|| L::LOCK.lock_timeout(limit, FromTokens::NEW))
    }
}
