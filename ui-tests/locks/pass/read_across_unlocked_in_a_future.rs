//! claim: lock.read-ends-with-the-lock
//! Reads in one half of an `async` block and uses it in the other, after a release.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

async fn work(bql: &mut BqlGuard<'_>) -> u32 {
    std::future::ready(()).await;
    bql.unlocked(|_| ());
    let runs = RUNS.borrow(bql);
    *runs
}

fn main() {}
