//! claim: lock.read-ends-with-the-lock
//! Keeps what it read while those who wait have their turn.

use biglock::{Fair, Guard, Guarded, Lock};

fn count<L: Lock<Backend: Fair>>(runs: &Guarded<u32, L>, guard: &mut Guard<'_, L>) -> u32 {
    let seen = runs.borrow(guard);
    guard.bump(); //~ E0502
    *seen
}

fn main() {}
