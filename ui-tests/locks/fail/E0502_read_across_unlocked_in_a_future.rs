//! claim: lock.read-ends-with-the-lock
//! Reads in one half of an `async` block and uses it in the other, after a release.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

async fn work(bql: &mut BqlGuard<'_>) -> u32 {
    let runs = RUNS.borrow(bql);
    std::future::ready(()).await;
    bql.unlocked(|_| ()); //~ E0502
    *runs
}

fn main() {}
