//! claim: lock.split-writes-are-exclusive
//! Writes a value while a reference to it is in use, both from one part.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(bql: &mut BqlGuard<'_>) -> u32 {
    let (_, mut access) = bql.split();
    let runs = access.borrow(&RUNS);
    let runs = *runs;
    *access.borrow_mut(&RUNS) += runs; runs
}

fn main() {}
