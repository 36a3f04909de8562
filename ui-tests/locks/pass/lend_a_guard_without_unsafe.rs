//! claim: lock.foreign-entry-is-unsafe
//! Claims to hold the lock that C took, without an `unsafe` that says who checked.

use biglock::{Foreign, Guard, Lock};

fn enter<L: Lock<Backend: Foreign>>() {
    unsafe { Guard::<L>::lend(|_| ()) };
}

fn main() {}
