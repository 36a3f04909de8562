//! What a lock must do to stand behind the tokens, and how a marker type names it.

use core::fmt;
use core::time::Duration;

/// A marker type for one lock.
///
/// The trait is safe to implement. `LOCK` is a constant, so it names the same lock wherever it is
/// evaluated. If the backend has interior mutability, the constant can only name a `static`: the
/// compiler refuses one that makes its own lock (E0492). All values of a backend without interior
/// mutability are one lock, whatever their addresses (duty 1 of [`Backend`]).
///
/// Two markers may name one lock. A thread can then attach to only one of them, since the lock
/// counts its attached threads, not the marker.
///
/// ```
/// use biglock::{Lock, StdMutex, Unlocked};
///
/// static MUTEX: StdMutex = StdMutex::new();
///
/// /// Stands for the one lock `MUTEX`; it has no values.
/// enum Big {}
/// impl Lock for Big {
///     type Backend = StdMutex;
///     const LOCK: &'static StdMutex = &MUTEX;
/// }
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// let _guard = thread.lock();
/// # Ok::<(), biglock::AttachError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a lock",
    label = "this is not a type that stands for one lock",
    note = "declare `enum Big {{}}` and `impl Lock for Big`, which names the `static` of the lock, and use `Big` here"
)]
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
/// 3. [`detach`](Backend::detach) does not unwind. If `lock` unwinds, the lock is not taken, and if
///    the drop of `Held` does, it is released. Where the lock is taken again, a `lock` that unwinds
///    aborts the process.
/// 4. After `attach` succeeded on a thread it fails on that thread until `detach`.
/// 5. A [`FromTokens`] is used for the call that brought it, and for nothing after.
///
/// In return, only this crate calls the functions that take [`FromTokens`], on behalf of a
/// thread's one token. It calls `attach` before the first `lock`, and `lock` only while the thread
/// does not hold the lock.
///
/// # Examples
///
/// A spin lock:
///
/// ```
/// use biglock::{AttachError, Backend, FromTokens, Lock, Unlocked};
/// use std::cell::Cell;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// struct Spin(AtomicBool);
/// struct Held(&'static AtomicBool);
/// impl Drop for Held {
///     fn drop(&mut self) {
///         self.0.store(false, Ordering::Release);
///     }
/// }
/// thread_local! { static ATTACHED: Cell<bool> = const { Cell::new(false) }; }
///
/// // SAFETY: 1 and 2: the exchange succeeds once for each store, acquire after release.
/// // 3: nothing here unwinds. 4: `ATTACHED`. 5: no `FromTokens` is kept.
/// unsafe impl Backend for Spin {
///     type Held = Held;
///     fn lock(&'static self, _: FromTokens) -> Held {
///         while self.0.swap(true, Ordering::Acquire) {
///             std::hint::spin_loop();
///         }
///         Held(&self.0)
///     }
///     fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
///         if ATTACHED.replace(true) { Err(AttachError::AlreadyAttached) } else { Ok(()) }
///     }
///     fn detach(&'static self, _: FromTokens) {
///         ATTACHED.set(false);
///     }
/// }
///
/// static SPIN: Spin = Spin(AtomicBool::new(false));
/// enum Big {}
/// impl Lock for Big {
///     type Backend = Spin;
///     const LOCK: &'static Spin = &SPIN;
/// }
/// let mut thread = Unlocked::<Big>::attach()?;
/// let guard = thread.lock();
/// assert!(SPIN.0.load(Ordering::Relaxed));
/// drop(guard);
/// assert!(!SPIN.0.load(Ordering::Relaxed));
/// # Ok::<(), AttachError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand behind the tokens of a thread",
    label = "this is not a kind of lock that gives out tokens",
    note = "use a backend of `biglock`, such as `StdMutex`, or wrap the lock and write the unsafe `impl Backend`"
)]
pub unsafe trait Backend: Sync + 'static {
    /// The held lock. Dropping it releases the lock. It stays on the thread that locked.
    type Held: 'static;

    /// Waits for the lock and takes it.
    fn lock(&'static self, _: FromTokens) -> Self::Held;

    /// Notes that the calling thread has its token now.
    ///
    /// # Errors
    ///
    /// If the thread has a token already, or is too far in its exit to get one.
    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError>;

    /// Notes that the calling thread has given its token back.
    fn detach(&'static self, _: FromTokens);
}

/// A proof that a call of a backend comes from a token.
///
/// Only this crate makes one, so no other code can lock without a token. A backend that wraps
/// another passes it on (duty 5 of [`Backend`]):
///
/// ```
/// use biglock::{AttachError, Backend, FromTokens, StdMutex};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// A mutex that counts how often it is taken.
/// struct Counted {
///     mutex: StdMutex,
///     taken: AtomicU64,
/// }
///
/// // SAFETY: each duty is that of `mutex`, to which every call goes.
/// unsafe impl Backend for Counted {
///     type Held = <StdMutex as Backend>::Held;
///     fn lock(&'static self, from: FromTokens) -> Self::Held {
///         self.taken.fetch_add(1, Ordering::Relaxed);
///         self.mutex.lock(from)
///     }
///     fn attach(&'static self, from: FromTokens) -> Result<(), AttachError> {
///         self.mutex.attach(from)
///     }
///     fn detach(&'static self, from: FromTokens) {
///         self.mutex.detach(from);
///     }
/// }
/// ```
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
///
/// # Examples
///
/// A backend that wraps another uses that one's waits:
///
/// ```
/// # use biglock::{AttachError, Backend, FromTokens};
/// use biglock::{Condvar, Lock, StdMutex, Unlocked, Wait};
/// use std::time::Duration;
///
/// struct Wrapped(StdMutex);
/// # unsafe impl Backend for Wrapped {
/// #     type Held = <StdMutex as Backend>::Held;
/// #     fn lock(&'static self, from: FromTokens) -> Self::Held {
/// #         self.0.lock(from)
/// #     }
/// #     fn attach(&'static self, from: FromTokens) -> Result<(), AttachError> {
/// #         self.0.attach(from)
/// #     }
/// #     fn detach(&'static self, from: FromTokens) {
/// #         self.0.detach(from);
/// #     }
/// # }
///
/// // SAFETY: both waits are those of the mutex.
/// unsafe impl Wait for Wrapped {
///     type Condvar = <StdMutex as Wait>::Condvar;
///     fn wait(&'static self, condvar: &Self::Condvar, held: Self::Held) -> Self::Held {
///         self.0.wait(condvar, held)
///     }
///     fn wait_timeout(
///         &'static self,
///         condvar: &Self::Condvar,
///         held: Self::Held,
///         limit: Duration,
///     ) -> (Self::Held, bool) {
///         self.0.wait_timeout(condvar, held, limit)
///     }
///     fn notify_one(condvar: &Self::Condvar) {
///         StdMutex::notify_one(condvar);
///     }
///     fn notify_all(condvar: &Self::Condvar) {
///         StdMutex::notify_all(condvar);
///     }
/// }
///
/// static MUTEX: Wrapped = Wrapped(StdMutex::new());
/// enum Big {}
/// impl Lock for Big {
///     type Backend = Wrapped;
///     const LOCK: &'static Wrapped = &MUTEX;
/// }
/// let mut thread = Unlocked::<Big>::attach()?;
/// let mut guard = thread.lock();
/// Condvar::new().wait_timeout(&mut guard, Duration::from_millis(1));
/// # Ok::<(), AttachError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no condition variables",
    label = "threads cannot wait for a condition with this kind of lock",
    note = "use `biglock::StdMutex`, or write the unsafe `impl Wait` for the backend"
)]
pub unsafe trait Wait: Backend {
    /// The condition variable that belongs to this kind of lock.
    type Condvar: Default + Sync;

    /// Releases the lock, waits for a notification, and takes the lock again. It may also return
    /// without a notification.
    fn wait(&'static self, condvar: &Self::Condvar, held: Self::Held) -> Self::Held;

    /// Waits like [`wait`](Wait::wait), but no longer than `limit`. The result has `true` if it
    /// timed out.
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

/// An error that says why a thread gets no token.
///
/// ```
/// # use biglock::{Lock, StdMutex};
/// use biglock::{AttachError, Unlocked};
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
///
/// let thread = Unlocked::<Big>::attach()?;
/// assert_eq!(Unlocked::<Big>::attach().err(), Some(AttachError::AlreadyAttached));
/// drop(thread);
/// let _again = Unlocked::<Big>::attach()?;
/// # Ok::<(), AttachError>(())
/// ```
///
/// Both `Display` and `Debug` say what to do, so the panic of an `unwrap` does too.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachError {
    /// The thread has its token already. A second one would let it lock twice.
    AlreadyAttached,
    /// The thread is ending and its thread-local storage is gone.
    ThreadExiting,
    /// The lock has no place for a thread of this number: see [`ByNumber`](crate::attached::ByNumber).
    NoPlace,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AttachError::AlreadyAttached => {
                "this thread has its token already: pass the token or the guard down \
                 instead of attaching again"
            }
            AttachError::ThreadExiting => {
                "this thread is ending and cannot attach to the lock: do this before it ends, \
                 or on another thread"
            }
            AttachError::NoPlace => {
                "the lock has no place for a thread of this number: make the lock for more threads"
            }
        })
    }
}

impl fmt::Debug for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            AttachError::AlreadyAttached => "AlreadyAttached",
            AttachError::ThreadExiting => "ThreadExiting",
            AttachError::NoPlace => "NoPlace",
        };
        write!(f, "{name} ({self})")
    }
}

impl core::error::Error for AttachError {}
