//! Releasing the lock to the thread that waits longest.
//!
//! Most mutexes let a thread that has just released the lock take it again before a thread that
//! waits has woken. It is fast, and a thread that takes a big lock again and again can keep others
//! out for long.

use crate::{Backend, FromTokens, Guard, Lock};

/// A backend that can pass the lock on to the thread that waits longest.
///
/// # Safety
///
/// [`unlock_fair`](Fair::unlock_fair) releases the lock as the drop of `held` does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no fair release",
    label = "this backend has no `unlock_fair` and no `bump`",
    note = "a `RawLock` over a mutex of parking_lot has"
)]
pub unsafe trait Fair: Backend {
    /// Releases the lock, to the thread that waits longest if there is one.
    fn unlock_fair(&'static self, held: Self::Held);
}

impl<L: Lock<Backend: Fair>> Guard<'_, L> {
    /// Releases the lock, to the thread that waits longest if there is one.
    pub fn unlock_fair(self) {
        self.release_by(|held| L::LOCK.unlock_fair(held));
    }

    /// Lets the thread that waits longest have the lock, if there is one, and takes it again. No
    /// borrow of guarded data is alive meanwhile, as in [`unlocked`](Guard::unlocked).
    ///
    /// That thread's own release need not be fair, so this one may come before others that wait.
    pub fn bump(&mut self) {
        self.wait(|held| {
            L::LOCK.unlock_fair(held);
            (L::LOCK.lock(FromTokens::NEW), ())
        });
    }
}
