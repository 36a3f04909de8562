//! claim: lock.tokens-are-not-duplicated
//! Releases for good what its caller goes on with.

use biglock::{Fair, Guard, Lock};

fn done<L: Lock<Backend: Fair>>(guard: &mut Guard<'_, L>) {
    guard.unlock_fair(); //~ E0507
}

fn main() {}
