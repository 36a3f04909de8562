//! claim: lock.data-needs-a-guard
//! Uses `get_mut`, which needs no guard, on data that others see.

use bql::BqlGuarded;

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn main() {
    *RUNS.get_mut() += 1; //~ E0596
}
