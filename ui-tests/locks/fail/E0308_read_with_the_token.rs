//! claim: lock.data-needs-a-guard
//! Reads guarded data with the token that says the lock is not held.

use bql::{BqlGuarded, BqlUnlocked};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn peek(thread: &mut BqlUnlocked) -> u32 {
    *RUNS.borrow(thread) //~ E0308
}

fn main() {}
