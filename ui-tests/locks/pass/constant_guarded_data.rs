//! claim: lock.constant-names-a-static
//! Declares data as a `const`, so that each use would have its own, and keeps a reference.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn bump(bql: &mut BqlGuard<'_>) {
    let runs = RUNS.borrow_mut(bql);
    *runs += 1;
}

fn main() {}
