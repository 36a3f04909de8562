//! claim: lock.tokens-are-not-forged
//! Takes the held lock out of a guard, to keep it when the guard is gone.

use bql::BqlGuard;

fn keep(bql: BqlGuard<'_>) {
    drop(bql);
}

fn main() {}
