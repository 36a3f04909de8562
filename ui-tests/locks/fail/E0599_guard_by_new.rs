//! claim: lock.tokens-are-not-forged
//! Makes a guard, as one makes most values.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn main() {
    let bql = BqlGuard::new(); //~ E0599 new
    println!("{}", RUNS.borrow(&bql));
}
