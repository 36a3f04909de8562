//! claim: lock.read-ends-with-the-lock
//! Reads with a guard that lasts for one statement and uses the result after it.

use bql::{BqlGuarded, BqlUnlocked};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(thread: &mut BqlUnlocked) -> u32 {
    let guard = thread.lock();
    let runs = RUNS.borrow(&guard);
    *runs
}

fn main() {}
