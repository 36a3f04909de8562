//! The two tokens: a thread without the lock, and a thread with it.

use core::fmt;
use core::mem::{self, ManuallyDrop};

use crate::{AttachError, Backend, Brand, Foreign, FromTokens, Lock, NotSendSync};

/// The token of a thread that does not hold lock `L`. [`lock`](Unlocked::lock) takes the lock and
/// returns a guard.
///
/// A thread gets its one token when it [attaches](Unlocked::attach) and gives it back by
/// dropping it. `&mut Unlocked` in a signature says that the function may block: no guard
/// can be alive, because a guard borrows this token.
///
/// ```
/// # use biglock::{Lock, StdMutex, Unlocked};
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// fn join(_thread: &mut Unlocked<Big>, worker: std::thread::JoinHandle<u32>) -> u32 {
///     worker.join().expect("the worker does not panic")
/// }
///
/// let worker = std::thread::spawn(|| {
///     let mut thread = Unlocked::<Big>::attach().expect("attached once");
///     let _guard = thread.lock();
///     7
/// });
/// let mut thread = Unlocked::<Big>::attach()?;
/// assert_eq!(join(&mut thread, worker), 7);
/// # Ok::<(), biglock::AttachError>(())
/// ```
///
/// # Invariants
///
/// * At most one `Unlocked<L>` that came from `attach` exists on a thread, and it never
///   leaves the thread.
/// * `held` is `Some` exactly while this thread holds the lock through this token: a
///   [`Guard`] lives, or one was leaked.
#[must_use = "bind it to a name: dropped, as by `let _ = …`, it detaches the thread at once"]
pub struct Unlocked<L: Lock> {
    held: Option<<L::Backend as Backend>::Held>,
    _brand: Brand<L>,
    _thread: NotSendSync,
}

impl<L: Lock> Unlocked<L> {
    /// Gives the calling thread its token.
    ///
    /// # Errors
    ///
    /// [`AttachError::AlreadyAttached`] if the thread has one. A second token would let it lock
    /// twice, so the mistake is an error here and not a deadlock later.
    #[doc(alias = "new")]
    pub fn attach() -> Result<Self, AttachError> {
        L::LOCK.attach(FromTokens::NEW)?;
        Ok(Self::with(None))
    }

    fn with(held: Option<<L::Backend as Backend>::Held>) -> Self {
        Unlocked { held, _brand: Brand::NEW, _thread: NotSendSync::NEW }
    }

    /// Waits for the lock and takes it.
    ///
    /// If an earlier guard of this thread was leaked, the thread still holds the lock and the
    /// new guard adopts it. The borrow of the token shows that the old guard is gone.
    #[inline]
    pub fn lock(&mut self) -> Guard<'_, L> {
        if self.held.is_none() {
            self.held = Some(L::LOCK.lock(FromTokens::NEW));
        }
        Guard { thread: self }
    }

    /// Takes the lock if `take` does, or adopts that of a leaked guard.
    #[inline]
    pub(crate) fn lock_by(
        &mut self,
        take: impl FnOnce() -> Option<<L::Backend as Backend>::Held>,
    ) -> Option<Guard<'_, L>> {
        if self.held.is_none() {
            self.held = Some(take()?);
        }
        Some(Guard { thread: self })
    }
}

impl<L: Lock> Drop for Unlocked<L> {
    fn drop(&mut self) {
        // Releases the lock if a guard was leaked.
        self.held = None;
        L::LOCK.detach(FromTokens::NEW);
    }
}

impl<L: Lock> fmt::Debug for Unlocked<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unlocked").finish_non_exhaustive()
    }
}

/// The token of a thread that holds lock `L`. Dropping it releases the lock;
/// [`unlocked`](Guard::unlocked) releases it for the length of a closure.
///
/// A guard stays on its thread and cannot be copied. Only [`Unlocked::lock`] makes one; a thread
/// that took the lock outside Rust borrows one from the unsafe [`Guard::lend`].
///
/// ```
/// # use biglock::{Guard, Guarded, Lock, StdMutex, Unlocked};
/// # static MUTEX: StdMutex = StdMutex::new();
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = StdMutex;
/// #     const LOCK: &'static StdMutex = &MUTEX;
/// # }
/// static READY: Guarded<bool, Big> = Guarded::new(false);
///
/// /// Waits without the lock, so the caller may keep no borrow of guarded data.
/// fn settle(guard: &mut Guard<'_, Big>) {
///     guard.unlocked(|_thread| std::thread::yield_now());
///     *READY.borrow_mut(guard) = true;
/// }
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// let mut guard = thread.lock();
/// settle(&mut guard);
/// assert!(*READY.borrow(&guard));
/// # Ok::<(), biglock::AttachError>(())
/// ```
///
/// # Invariants
///
/// `thread.held` is `Some` whenever code outside this module can see the guard.
#[must_use = "bind it to a name: dropped, as by `let _ = …`, it releases the lock at once"]
pub struct Guard<'t, L: Lock> {
    thread: &'t mut Unlocked<L>,
}

impl<L: Lock> Guard<'_, L> {
    /// Releases the lock, runs `f`, and takes the lock again. Nothing borrowed from the token that
    /// `f` receives, such as another guard, may escape `f`.
    ///
    /// No borrow of guarded data is alive while `f` runs, since it would borrow this guard. If `f`
    /// unwinds, the lock is taken again first. If `f` locks and leaks that guard, the lock is
    /// already held when `f` returns, and this guard adopts it.
    pub fn unlocked<R>(&mut self, f: impl FnOnce(&mut Unlocked<L>) -> R) -> R {
        // Made first, in case the release itself unwinds.
        let relock = Relock(self.thread);
        relock.0.held = None;
        f(relock.0)
    }

    /// Passes the held lock to `release`, and takes the lock again.
    pub(crate) fn bump_by(&mut self, release: impl FnOnce(<L::Backend as Backend>::Held)) {
        let held = self.thread.held.take();
        let _relock = Relock(self.thread);
        if let Some(held) = held {
            release(held);
        }
    }

    /// Passes the held lock to `release`.
    pub(crate) fn release_by(self, release: impl FnOnce(<L::Backend as Backend>::Held)) {
        if let Some(held) = self.thread.held.take() {
            release(held);
        }
    }

    /// Passes the held lock to `wait`, which returns it.
    pub(crate) fn wait<R>(
        &mut self,
        wait: impl FnOnce(<L::Backend as Backend>::Held) -> (<L::Backend as Backend>::Held, R),
    ) -> R {
        let held = self.thread.held.take();
        let relock = Relock(self.thread);
        let (held, result) = wait(held.unwrap_or_else(|| L::LOCK.lock(FromTokens::NEW)));
        relock.0.held = Some(held);
        result
    }
}

impl<L: Lock> Guard<'_, L>
where
    L::Backend: Foreign,
{
    /// Lends a guard to `f` on a thread that took the lock outside Rust.
    ///
    /// The lock is still held when this returns or unwinds. While `f` runs the thread counts
    /// as attached. For an example, see [`Foreign`].
    ///
    /// # Safety
    ///
    /// 1. The calling thread holds the lock.
    /// 2. The thread uses no other guard of the lock: until this returns or unwinds, no token
    ///    that it had before locks or is dropped, no guard that it had before is used or
    ///    dropped, and what was borrowed from such a guard is never used again.
    ///
    /// A thread without a token satisfies duty 2. Rust code that called out and may be called back
    /// does too, if it lent its `&mut Guard` to the call. A part of a [split](Guard::split) guard is
    /// not enough: the other part, or what was found with it, may be used after the call. Inside
    /// [`unlocked`](Guard::unlocked) it lends the closure's token instead, because that token could
    /// lock, or adopt the lock of a leaked guard.
    ///
    /// Duty 2 has no run-time check. A backend may refuse to lock on a thread that holds the
    /// lock, but a token whose guard was leaked does not ask the backend.
    pub unsafe fn lend<R>(f: impl FnOnce(&mut Guard<'_, L>) -> R) -> R {
        struct Detach<L: Lock>(Brand<L>);
        impl<L: Lock> Drop for Detach<L> {
            fn drop(&mut self) {
                L::LOCK.detach(FromTokens::NEW);
            }
        }
        let _detach = L::LOCK.attach(FromTokens::NEW).is_ok().then(|| Detach::<L>(Brand::NEW));
        // SAFETY: the caller holds the lock (duty 1), and any other value that stands for it on
        // this thread is neither used nor dropped until this returns (duty 2).
        let held = unsafe { L::LOCK.assume_held() };
        let mut thread = ManuallyDrop::new(Unlocked::with(Some(held)));
        // Neither the guard nor the token is dropped: the caller keeps the lock.
        let mut guard = ManuallyDrop::new(Guard { thread: &mut thread });
        f(&mut guard)
    }
}

impl<L: Lock> Drop for Guard<'_, L> {
    #[inline]
    fn drop(&mut self) {
        self.thread.held = None;
    }
}

impl<L: Lock> fmt::Debug for Guard<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// Takes the lock again when dropped, also on unwinding, unless the thread holds it by then.
struct Relock<'a, L: Lock>(&'a mut Unlocked<L>);

impl<L: Lock> Drop for Relock<'_, L> {
    fn drop(&mut self) {
        if self.0.held.is_none() {
            // No code may see a guard without the lock, so a `lock` that unwinds here ends the
            // process.
            let bomb = AbortOnUnwind;
            self.0.held = Some(L::LOCK.lock(FromTokens::NEW));
            mem::forget(bomb);
        }
    }
}

struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        // A panic while unwinding aborts; `no_std` offers no other way to abort.
        panic!("the backend unwound while the lock was taken again");
    }
}
