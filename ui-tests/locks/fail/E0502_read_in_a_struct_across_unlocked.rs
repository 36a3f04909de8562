//! claim: lock.read-ends-with-the-lock
//! Keeps the reference in a struct with a lifetime of its own.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);
struct Job<'g> {
    runs: &'g u32,
}

fn work(bql: &mut BqlGuard<'_>) -> u32 {
    let job = Job { runs: RUNS.borrow(bql) };
    bql.unlocked(|_| ()); //~ E0502
    *job.runs
}

fn main() {}
