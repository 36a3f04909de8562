//! claim: lock.tokens-are-not-duplicated
//! Derives `Clone` for a struct that holds a guard.

use bql::BqlGuard;

#[derive(Debug)]
struct Session<'t> {
    held: BqlGuard<'t>,
}

fn main() {}
