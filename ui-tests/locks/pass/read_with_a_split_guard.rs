//! claim: lock.split-keeps-the-lock
//! Reads with the guard while a part of it may write.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn read(bql: &mut BqlGuard<'_>) -> u32 {
    let (_holding, mut access) = bql.split();
    let before = *access.borrow(&RUNS);
    *access.borrow_mut(&RUNS) + before
}

fn main() {}
