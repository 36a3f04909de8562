//! claim: lock.read-ends-with-the-lock
//! Uses what it read after the guard is dropped.

use bql::{BqlGuarded, BqlUnlocked};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn count(thread: &mut BqlUnlocked) -> u32 {
    let guard = thread.lock();
    let runs = RUNS.borrow(&guard);
    let runs = *runs;
    drop(guard);
    runs
}

fn main() {}
