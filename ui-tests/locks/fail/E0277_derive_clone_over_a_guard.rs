//! claim: lock.tokens-are-not-duplicated
//! Derives `Clone` for a struct that holds a guard.

use bql::BqlGuard;

#[derive(Clone)]
struct Session<'t> {
    held: BqlGuard<'t>, //~ E0277 Clone
}

fn main() {}
