//! claim: lock.tokens-are-not-duplicated
//! Moves the lent token out of `unlocked` by value.

use bql::{BqlGuard, BqlUnlocked};

fn steal(bql: &mut BqlGuard<'_>) {
    let stolen: BqlUnlocked = bql.unlocked(|thread| *thread); //~ E0507
    let _ = stolen;
}

fn main() {}
