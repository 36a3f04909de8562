//! claim: lock.tokens-are-not-duplicated
//! Moves the lent token out of `unlocked` by value.

use bql::{BqlGuard, BqlUnlocked};

fn steal(bql: &mut BqlGuard<'_>) {
    let stolen: *const BqlUnlocked = bql.unlocked(|thread| &raw const *thread);
    let _ = stolen;
}

fn main() {}
