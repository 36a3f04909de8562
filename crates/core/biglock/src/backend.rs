//! What a lock must do to stand behind the tokens, and how a marker type names it.

use core::fmt;
use core::time::Duration;

/// A marker type for one lock.
///
/// It is safe to implement. `LOCK` is a constant, so it names the same lock wherever it is
/// evaluated. What has a lock in it (interior mutability) it can only name as a `static`: a
/// constant that makes its own is refused by the compiler (E0492). What has none means one
/// lock whatever its address (duty 1 of [`Backend`]).
///
/// Two markers may name one lock. Each thread then attaches to one of them, since the lock
/// counts its attached threads, not the marker.
pub trait Lock: Sized + 'static {
    /// The kind of lock.
    type Backend: Backend;
    /// The lock.
    const LOCK: &'static Self::Backend;
}

/// A lock that can stand behind the tokens.
///
/// # Safety
///
/// 1. Between the return of [`lock`](Backend::lock) and the drop of the value it returned,
///    no other call of `lock` with the same `self` returns. Values of a type without
///    interior mutability are all the same lock: the compiler may keep such a constant at
///    more than one address.
/// 2. What happened before a drop of `Held` happens before the return of the next `lock`.
/// 3. `lock`, [`detach`](Backend::detach) and the drop of `Held` do not unwind. Should `lock`
///    do so where the lock is taken again, the process aborts.
/// 4. After `attach` succeeded on a thread it fails on that thread until `detach`.
/// 5. A [`FromTokens`] is used for the call that brought it, and for nothing after.
///
/// In return the functions that take [`FromTokens`] are called by this crate alone, on
/// behalf of a thread's one token: `attach` before its first `lock`, `lock` only while the
/// thread does not hold the lock.
pub unsafe trait Backend: Sync + 'static {
    /// The lock held; dropping it releases the lock. It stays on the thread that locked.
    type Held: 'static;

    /// Waits for the lock and takes it.
    fn lock(&'static self, _: FromTokens) -> Self::Held;

    /// Notes that the calling thread has its token now.
    ///
    /// # Errors
    ///
    /// The thread has one already, or is too far in its exit to be given one.
    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError>;

    /// Notes that the calling thread has given its token back.
    fn detach(&'static self, _: FromTokens);
}

/// Shows that a call of a backend comes from a token. Only this crate makes one, so nobody
/// can lock past the tokens; a backend that wraps another hands it on (duty 5 of [`Backend`]).
#[derive(Debug, Clone, Copy)]
pub struct FromTokens(());

impl FromTokens {
    pub(crate) const NEW: Self = FromTokens(());
}

/// A backend that can wait for a condition.
///
/// # Safety
///
/// [`wait`](Wait::wait) and [`wait_timeout`](Wait::wait_timeout) return with the lock held
/// as [`Backend::lock`] does. They may unwind; the lock is then taken again.
pub unsafe trait Wait: Backend {
    /// The condition variable that belongs to this kind of lock.
    type Condvar: Default + Sync;

    /// Releases the lock, waits for a notification (or wakes for no reason), locks.
    fn wait(&'static self, condvar: &Self::Condvar, held: Self::Held) -> Self::Held;

    /// The same with a limit; `true` says that it ran out.
    fn wait_timeout(
        &'static self,
        condvar: &Self::Condvar,
        held: Self::Held,
        limit: Duration,
    ) -> (Self::Held, bool);

    /// Wakes one waiting thread.
    fn notify_one(condvar: &Self::Condvar);

    /// Wakes every waiting thread.
    fn notify_all(condvar: &Self::Condvar);
}

/// A lock that code outside Rust takes and releases too, such as QEMU's `bql_lock`.
///
/// # Safety
///
/// A value of [`assume_held`](Foreign::assume_held) is as good as one of [`Backend::lock`]
/// on a thread that holds the lock, and forgetting it leaves the lock held.
pub unsafe trait Foreign: Backend {
    /// The lock as held by the calling thread, which took it outside Rust.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock. While the value lives no other `Held` of the lock is
    /// used or dropped; one may live, in a token that called out.
    unsafe fn assume_held(&'static self) -> Self::Held;
}

/// Why a thread was not given its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachError {
    /// The thread has its token already. A second one would let it lock twice.
    AlreadyAttached,
    /// The thread is ending and its thread-local storage is gone.
    ThreadExiting,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AttachError::AlreadyAttached => "this thread is attached to the lock already",
            AttachError::ThreadExiting => "this thread is ending and cannot attach to the lock",
        })
    }
}

impl core::error::Error for AttachError {}
