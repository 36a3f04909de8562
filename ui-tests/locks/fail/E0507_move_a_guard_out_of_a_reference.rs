//! claim: lock.tokens-are-not-duplicated
//! Moves the guard out of the reference that it was lent.

use bql::BqlGuard;

fn release(bql: &mut BqlGuard<'_>) {
    drop(*bql); //~ E0507
}

fn main() {}
