//! The two tokens: a thread without the lock, and a thread with it.

use core::fmt;
use core::mem;

use crate::{AttachError, Backend, Brand, FromTokens, Lock, NotSendSync};

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

    pub(crate) fn with(held: Option<<L::Backend as Backend>::Held>) -> Self {
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
