//! claim: lock.guard-borrows-the-token
//! Attaches, locks, and returns the guard alone.

use bql::{BqlGuard, BqlUnlocked};

fn enter<'t>(thread: Option<BqlUnlocked>) -> Option<BqlGuard<'t>> {
    let mut thread = thread?;
    Some(thread.lock()) //~ E0515
}

fn main() {}
