//! The tokens of threads that call from C.
//!
//! [`with_bql`] is for functions that need the lock, [`without_bql`] for those that block,
//! [`call_out`] for calls from Rust to C.

#[cfg(feature = "c-lock")]
mod c_owned;
#[cfg(not(feature = "c-lock"))]
mod rust_owned;

#[cfg(feature = "c-lock")]
use c_owned as owned;
#[cfg(not(feature = "c-lock"))]
use rust_owned as owned;

use bql::{BqlGuard, BqlUnlocked};

use crate::boundary::entry;

pub(crate) use owned::call_out;
#[cfg(not(feature = "c-lock"))]
pub(crate) use owned::{is_locked, lock, unlock};

/// Runs the body of `function`, which needs the lock: `&mut BqlGuard` in Rust.
pub(crate) fn with_bql<R>(function: &str, body: impl FnOnce(&mut BqlGuard<'_>) -> R) -> R {
    entry(function, || owned::with_guard(function, body))
}

/// Runs the body of `function`, which blocks: `&mut BqlUnlocked` in Rust.
pub(crate) fn without_bql<R>(function: &str, body: impl FnOnce(&mut BqlUnlocked) -> R) -> R {
    entry(function, || owned::with_token(function, body))
}

const NEEDS: &str = "the calling thread must hold the lock (bql_lock) and does not";

const BLOCKS: &str = "it blocks, and the calling thread holds the lock (bql_unlock first)";

const RETURNED_WITHOUT: &str =
    "the C function was called with the lock held and returned without it";

/// The reason that a thread which Rust code called out on gets no token.
const INSIDE: &str = "the calling thread is inside Rust code that has its token; a function \
                      that blocks cannot be called from a call-out";
