//! claim: lock.read-ends-with-the-lock
//! Keeps what it read after a fair release.

use biglock::{Fair, Guard, Guarded, Lock};

fn count<L: Lock<Backend: Fair>>(runs: &Guarded<u32, L>, guard: Guard<'_, L>) -> u32 {
    let seen = *runs.borrow(&guard);
    guard.unlock_fair();
    seen
}

fn main() {}
