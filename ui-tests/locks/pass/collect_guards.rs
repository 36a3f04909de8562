//! claim: lock.guard-borrows-the-token
//! Collects one guard a turn of a loop, as a list of held locks.

use bql::{BqlGuard, BqlUnlocked};

fn hold_all(thread: &mut BqlUnlocked, times: usize) {
    let mut held: Vec<BqlGuard<'_>> = Vec::new();
    if times > 0 {
        held.push(thread.lock());
    }
}

fn main() {}
