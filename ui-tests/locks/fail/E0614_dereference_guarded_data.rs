//! claim: lock.data-needs-a-guard
//! Dereferences the cell as if it were a smart pointer.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn double(bql: &BqlGuard<'_>) -> u32 {
    *RUNS.borrow(bql) + *RUNS //~ E0614
}

fn main() {}
