//! claim: lock.split-writes-are-exclusive
//! Reads guarded data with the part that says only that the lock stays held.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn read(bql: &mut BqlGuard<'_>) -> u32 {
    let (holding, access) = bql.split();
    let runs = *RUNS.borrow_while(holding); //~ E0133
    drop((holding, access));
    runs
}

fn main() {}
