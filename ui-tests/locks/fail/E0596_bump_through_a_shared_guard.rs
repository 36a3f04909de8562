//! claim: lock.release-is-exclusive
//! Lets others have their turn though callers may borrow guarded data.

use biglock::{Fair, Guard, Lock};

fn let_others<L: Lock<Backend: Fair>>(guard: &Guard<'_, L>) {
    guard.bump(); //~ E0596
}

fn main() {}
