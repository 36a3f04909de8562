//! claim: lock.tokens-are-not-forged
//! Makes a guard, as one makes most values.

use bql::{BqlGuard, BqlGuarded, BqlUnlocked};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn main() {
    let mut thread = BqlUnlocked::attach().expect("once a thread");
    let bql: BqlGuard<'_> = thread.lock();
    println!("{}", RUNS.borrow(&bql));
}
