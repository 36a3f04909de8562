//! claim: lock.read-ends-with-the-lock
//! Hides the reference in a boxed closure and calls it afterwards.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn work(bql: &mut BqlGuard<'_>) -> u32 {
    let runs = *RUNS.borrow(bql);
    let later: Box<dyn Fn() -> u32 + '_> = Box::new(|| runs);
    bql.unlocked(|_| ());
    later()
}

fn main() {}
