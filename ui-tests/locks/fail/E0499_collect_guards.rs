//! claim: lock.guard-borrows-the-token
//! Collects one guard a turn of a loop, as a list of held locks.

use bql::{BqlGuard, BqlUnlocked};

fn hold_all(thread: &mut BqlUnlocked, times: usize) {
    let mut held: Vec<BqlGuard<'_>> = Vec::new();
    for _ in 0..times {
        held.push(thread.lock()); //~ E0499
    }
}

fn main() {}
