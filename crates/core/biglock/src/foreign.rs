//! A lock that code outside Rust takes too, and the guard of a thread that it locked on.

use core::mem::{self, ManuallyDrop};

use crate::{Backend, FromTokens, Guard, Lock, Unlocked};

/// A lock that code outside Rust takes and releases too, such as QEMU's `bql_lock`.
///
/// # Safety
///
/// A value of [`assume_held`](Foreign::assume_held) is as good as one of [`Backend::lock`]
/// on a thread that holds the lock. Forgetting it leaves the lock held, and so does
/// [`leave_held`](Foreign::leave_held). Neither function unwinds.
///
/// # Examples
///
/// ```
/// # use biglock::{AttachError, Backend, FromTokens};
/// use biglock::{Foreign, Guard, Lock};
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// /// A lock that C code can take too.
/// struct Spin(AtomicBool);
/// struct Held(&'static AtomicBool);
/// # impl Drop for Held {
/// #     fn drop(&mut self) {
/// #         self.0.store(false, Ordering::Release);
/// #     }
/// # }
/// # use std::cell::Cell;
/// # thread_local! { static ATTACHED: Cell<bool> = const { Cell::new(false) }; }
/// # unsafe impl Backend for Spin {
/// #     type Held = Held;
/// #     fn lock(&'static self, _: FromTokens) -> Held {
/// #         while self.0.swap(true, Ordering::Acquire) {}
/// #         Held(&self.0)
/// #     }
/// #     fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
/// #         if ATTACHED.replace(true) { Err(AttachError::AlreadyAttached) } else { Ok(()) }
/// #     }
/// #     fn detach(&'static self, _: FromTokens) {
/// #         ATTACHED.set(false);
/// #     }
/// # }
///
/// // SAFETY: `Held` has no state of its own, and only its drop releases the lock.
/// unsafe impl Foreign for Spin {
///     unsafe fn assume_held(&'static self) -> Held {
///         Held(&self.0)
///     }
/// }
///
/// static SPIN: Spin = Spin(AtomicBool::new(false));
/// enum Big {}
/// impl Lock for Big {
///     type Backend = Spin;
///     const LOCK: &'static Spin = &SPIN;
/// }
///
/// /// Called by C code with the lock held.
/// extern "C" fn callback() -> u32 {
///     // SAFETY: the caller holds the lock, and this thread has no token of it.
///     unsafe { Guard::<Big>::lend(|_guard| 7) }
/// }
///
/// assert!(!SPIN.0.swap(true, Ordering::Acquire)); // C takes the lock ...
/// assert_eq!(callback(), 7);
/// assert!(SPIN.0.load(Ordering::Relaxed)); // ... and still holds it.
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a lock that code outside Rust takes",
    label = "only a token locks this kind of lock",
    note = "take the lock with `Unlocked::lock`, or write the unsafe `impl Foreign` for the backend"
)]
pub unsafe trait Foreign: Backend {
    /// Makes the value that stands for the lock on the calling thread, which took it outside Rust.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock. While the value lives, no other `Held` of the lock is
    /// used or dropped. Another may exist, in a token that called out.
    unsafe fn assume_held(&'static self) -> Self::Held;

    /// Gives up the value of a thread that has no token beside the lent guard, without a release:
    /// code outside Rust goes on with the lock. A backend that wraps another passes the call on.
    fn leave_held(&'static self, held: Self::Held) {
        mem::forget(held);
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
        struct Lent<L: Lock<Backend: Foreign>> {
            thread: ManuallyDrop<Unlocked<L>>,
            /// Whether the thread had no token.
            attached: bool,
        }
        impl<L: Lock<Backend: Foreign>> Drop for Lent<L> {
            fn drop(&mut self) {
                if !self.attached {
                    return;
                }
                // A guard that adopts what the lent one has.
                self.thread.lock().release_by(|held| L::LOCK.leave_held(held));
                L::LOCK.detach(FromTokens::NEW);
            }
        }
        let attached = L::LOCK.attach(FromTokens::NEW).is_ok();
        // SAFETY: the caller holds the lock (duty 1), and any other value that stands for it on
        // this thread is neither used nor dropped until this returns (duty 2).
        let held = unsafe { L::LOCK.assume_held() };
        let mut lent = Lent { thread: ManuallyDrop::new(Unlocked::with(Some(held))), attached };
        // The guard adopts what the token was made with. Neither is dropped: the caller keeps the lock.
        let mut guard = ManuallyDrop::new(lent.thread.lock());
        f(&mut guard)
    }
}
