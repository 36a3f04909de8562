//! claim: lock.tokens-are-not-forged
//! Takes the held lock out of a guard, to keep it when the guard is gone.

use bql::BqlGuard;

fn keep(bql: BqlGuard<'_>) {
    bql.release_by(std::mem::forget); //~ E0624 release_by
}

fn main() {}
