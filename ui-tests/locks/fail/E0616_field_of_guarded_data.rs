//! claim: lock.data-needs-a-guard
//! Goes to the private field of the cell.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn peek(bql: &BqlGuard<'_>) -> *const u32 {
    let _ = &RUNS.value; //~ E0616 value
    RUNS.borrow(bql)
}

fn main() {}
