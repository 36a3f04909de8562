//! claim: lock.tokens-are-not-duplicated
//! Moves the guard out of the reference that it was lent.

use bql::BqlGuard;

fn release(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|_| drop(String::new()));
}

fn main() {}
