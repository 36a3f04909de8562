//! claim: lock.tokens-are-not-duplicated
//! Clones the part of a guard that may write.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn two(bql: &mut BqlGuard<'_>) {
    let (holding, access) = bql.split();
    let second = access.clone(); //~ E0599 clone
    drop((holding, access, second));
}

fn main() {}
