//! claim: lock.tokens-are-not-duplicated
//! Clones a guard.

use bql::BqlGuard;

fn two(guard: BqlGuard<'_>) {
    let second = guard.clone(); //~ E0599 clone
    let _ = second;
    drop(guard);
}

fn main() {}
