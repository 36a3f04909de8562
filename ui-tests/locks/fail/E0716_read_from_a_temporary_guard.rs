//! claim: lock.read-ends-with-the-lock
//! Reads with a guard that lasts for one statement and uses the result after it.

use bql::{BqlGuarded, BqlUnlocked};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(thread: &mut BqlUnlocked) -> u32 {
    let runs = RUNS.borrow(&thread.lock()); //~ E0716
    *runs
}

fn main() {}
