//! Tokens if the lock is the C program's: a thread that holds it borrows a guard for each call.

use bql::{BqlGuard, BqlUnlocked};

use crate::boundary::die;

pub(super) use bql::c_lock::is_locked;

pub(super) fn with_guard<R>(function: &str, body: impl FnOnce(&mut BqlGuard<'_>) -> R) -> R {
    if !is_locked() {
        die(function, super::NEEDS);
    }
    // SAFETY: the thread holds the lock, as checked above, and uses no other guard until this
    // returns. Rust code calls C code through `call_out` alone, which has the guard's `&mut` for
    // the call, so nothing borrowed from the guard is alive. The token is out of reach, since
    // nothing here calls C within `unlocked`. C's lock functions do not call back (duty 3 of
    // `bql::c_lock`).
    unsafe { BqlGuard::lend(body) }
}

pub(super) fn with_token<R>(function: &str, body: impl FnOnce(&mut BqlUnlocked) -> R) -> R {
    if is_locked() {
        die(function, super::BLOCKS);
    }
    match BqlUnlocked::attach() {
        Ok(mut thread) => body(&mut thread),
        Err(_) => die(function, super::INSIDE),
    }
}

/// Calls C with the lock held. C may release it, and must take it again before it returns.
pub(crate) fn call_out<R>(
    function: &str,
    _guard: &mut BqlGuard<'_>,
    call: impl FnOnce() -> R,
) -> R {
    let result = call();
    if !is_locked() {
        die(function, super::RETURNED_WITHOUT);
    }
    result
}
