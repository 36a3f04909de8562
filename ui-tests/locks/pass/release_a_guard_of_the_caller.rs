//! claim: lock.tokens-are-not-duplicated
//! Releases for good what its caller goes on with.

use biglock::{Fair, Guard, Lock};

fn done<L: Lock<Backend: Fair>>(guard: Guard<'_, L>) {
    guard.unlock_fair();
}

fn main() {}
