//! Tokens if the lock is Rust's: a thread-local keeps the token of a C thread.
//!
//! While C holds the lock no guard exists. The guard that took it was forgotten, so the token keeps
//! the lock, and the guard of the next call adopts it. See *Panics and leaks* of `biglock`.

use std::cell::Cell;
use std::mem::{self, ManuallyDrop};
use std::ptr::NonNull;

use bql::{AttachError, BqlGuard, BqlUnlocked};

use crate::boundary::die;

/// A thread's token while C code runs on the thread.
enum Token {
    /// The thread came from C.
    Own(BqlUnlocked),
    /// Rust code on this thread called out to C.
    ///
    /// # Invariants
    ///
    /// [`call_out`] makes it from a `&mut BqlUnlocked` that it does not use while this value
    /// exists. There is one such value per call.
    Lent(NonNull<BqlUnlocked>),
}

impl Token {
    fn get(&mut self) -> &mut BqlUnlocked {
        match self {
            Token::Own(thread) => thread,
            // SAFETY: by the invariant the pointer is valid and no other code uses its target,
            // and this borrows the one value that has the pointer.
            Token::Lent(thread) => unsafe { thread.as_mut() },
        }
    }
}

/// The state of the calling thread.
///
/// It has no destructor, so it exists as long as the thread does: destructors of pthread keys and
/// functions passed to `atexit` run after those of Rust's thread-locals, and may use the lock. A
/// thread's own token is never dropped.
struct Side {
    /// The token. Empty before the first call, and while Rust code runs on the thread.
    token: Cell<Option<ManuallyDrop<Token>>>,
    /// Whether C holds the lock on this thread.
    locked: Cell<bool>,
}

const _: () = assert!(!mem::needs_drop::<Side>());

/// A guard that checks at the end of the thread that it released the lock.
struct Ending;

thread_local! {
    static SIDE: Side = const { Side { token: Cell::new(None), locked: Cell::new(false) } };
    static ENDING: Ending = const { Ending };
}

impl Drop for Ending {
    fn drop(&mut self) {
        // The main thread may keep it: the process ends, and no other thread may take the lock
        // before.
        if is_locked() && rustix::thread::gettid() != rustix::process::getpid() {
            die("bql_lock", "a thread ended with the lock held");
        }
    }
}

fn take(function: &str) -> Token {
    if let Some(token) = SIDE.with(|side| side.token.take()) {
        return ManuallyDrop::into_inner(token);
    }
    // Fails only after `ENDING` was dropped, when the lock is no longer checked.
    let _ = ENDING.try_with(|_| ());
    match BqlUnlocked::attach() {
        Ok(thread) => Token::Own(thread),
        Err(AttachError::ThreadExiting) => {
            die(function, "the calling thread is ending, and it is not one of C's")
        }
        Err(_) => die(function, super::INSIDE),
    }
}

/// Stores the token and the state of the lock.
fn put(token: Token, locked: bool) {
    SIDE.with(|side| {
        side.token.set(Some(ManuallyDrop::new(token)));
        side.locked.set(locked);
    });
}

/// Returns whether C holds the lock on the calling thread.
pub(crate) fn is_locked() -> bool {
    SIDE.with(|side| side.locked.get())
}

/// Waits for the lock and takes it, for C.
pub(crate) fn lock(function: &str) {
    if is_locked() {
        die(function, "the calling thread holds the lock already");
    }
    let mut token = take(function);
    mem::forget(token.get().lock());
    put(token, true);
}

/// Releases the lock that [`lock`] took.
pub(crate) fn unlock(function: &str) {
    if !is_locked() {
        die(function, "the calling thread does not hold the lock");
    }
    let mut token = take(function);
    drop(token.get().lock());
    put(token, false);
}

pub(super) fn with_guard<R>(function: &str, body: impl FnOnce(&mut BqlGuard<'_>) -> R) -> R {
    if !is_locked() {
        die(function, super::NEEDS);
    }
    let mut token = take(function);
    let mut guard = token.get().lock();
    let result = body(&mut guard);
    mem::forget(guard);
    put(token, true);
    result
}

pub(super) fn with_token<R>(function: &str, body: impl FnOnce(&mut BqlUnlocked) -> R) -> R {
    if is_locked() {
        die(function, super::BLOCKS);
    }
    let mut token = take(function);
    if matches!(token, Token::Lent(_)) {
        die(function, super::INSIDE);
    }
    let result = body(token.get());
    put(token, false);
    result
}

/// Calls C with the lock held. C may release it, and must take it again before it returns.
///
/// Only [`BqlGuard::unlocked`] gives the token that this needs. So the lock is released and taken
/// again before the call, and `call` must check whether the call is still wanted.
pub(crate) fn call_out<R>(function: &str, guard: &mut BqlGuard<'_>, call: impl FnOnce() -> R) -> R {
    /// A guard that takes the token back, also on unwinding.
    struct Returned {
        before: (Option<ManuallyDrop<Token>>, bool),
    }
    impl Drop for Returned {
        fn drop(&mut self) {
            SIDE.with(|side| {
                side.token.set(self.before.0.take());
                side.locked.set(self.before.1);
            });
        }
    }

    guard.unlocked(|thread| {
        mem::forget(thread.lock());
        // INVARIANT: `thread` is not used again.
        let token = ManuallyDrop::new(Token::Lent(NonNull::from(thread)));
        let before = SIDE.with(|side| (side.token.replace(Some(token)), side.locked.replace(true)));
        let _returned = Returned { before };
        let result = call();
        if !is_locked() {
            die(function, super::RETURNED_WITHOUT);
        }
        result
    })
}
