//! claim: lock.guard-borrows-the-token
//! Swaps the token of a live guard for another one.

use std::mem;

use bql::BqlUnlocked;

fn trade(mine: &mut BqlUnlocked, other: &mut BqlUnlocked) {
    let guard = mine.lock();
    drop(guard);
    mem::swap(mine, other);
}

fn main() {}
