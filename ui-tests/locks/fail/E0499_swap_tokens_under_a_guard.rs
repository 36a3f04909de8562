//! claim: lock.guard-borrows-the-token
//! Swaps the token of a live guard for another one.

use std::mem;

use bql::BqlUnlocked;

fn trade(mine: &mut BqlUnlocked, other: &mut BqlUnlocked) {
    let guard = mine.lock();
    mem::swap(mine, other); //~ E0499
    drop(guard);
}

fn main() {}
