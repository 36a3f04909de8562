//! claim: lock.read-ends-with-the-lock
//! Lets a generic helper release the lock, so that no `unlocked` is in sight.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);
trait Yield {
    fn yield_now(&mut self);
}
impl Yield for BqlGuard<'_> {
    fn yield_now(&mut self) {
        self.unlocked(|_| ());
    }
}

fn work(bql: &mut BqlGuard<'_>) -> u32 {
    let runs = RUNS.borrow(bql);
    bql.yield_now(); //~ E0502
    *runs
}

fn main() {}
