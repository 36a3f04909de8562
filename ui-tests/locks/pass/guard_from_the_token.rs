//! claim: lock.tokens-are-not-forged
//! Converts the token into a guard through `From`.

use bql::{BqlGuard, BqlUnlocked};

fn enter<'t>(from: impl Into<BqlGuard<'t>>) -> BqlGuard<'t> {
    from.into()
}

fn forge(thread: &mut BqlUnlocked) -> BqlGuard<'_> {
    enter(thread.lock())
}

fn main() {}
