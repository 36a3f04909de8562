//! claim: lock.tokens-are-not-forged
//! Reaches the token through the private field of the guard.

use bql::{BqlGuard, BqlUnlocked};

fn send(_thread: &mut BqlUnlocked) {}

fn save(bql: &mut BqlGuard<'_>) {
    bql.unlocked(send);
}

fn main() {}
