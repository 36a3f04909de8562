//! claim: lock.tokens-are-not-forged
//! Writes a guard down as a struct literal.

use bql::{BqlGuard, BqlUnlocked};

fn forge(thread: &mut BqlUnlocked) -> BqlGuard<'_> {
    thread.lock()
}

fn main() {}
