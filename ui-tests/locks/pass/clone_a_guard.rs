//! claim: lock.tokens-are-not-duplicated
//! Clones a guard.

use bql::BqlGuard;

fn two(guard: BqlGuard<'_>) {
    let second = &guard;
    let _ = second;
    drop(guard);
}

fn main() {}
