//! claim: lock.guard-borrows-the-token
//! Attaches, locks, and returns the guard alone.

use bql::{BqlGuard, BqlUnlocked};

fn enter<'t>(thread: Option<&'t mut BqlUnlocked>) -> Option<BqlGuard<'t>> {
    let thread = thread?;
    Some(thread.lock())
}

fn main() {}
