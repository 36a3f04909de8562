//! claim: lock.foreign-entry-is-unsafe
//! Claims that C holds a lock that no C code can take.

use biglock::{Guard, Lock};

fn enter<L: Lock<Backend: biglock::Foreign>>(_: L) {
    unsafe { Guard::<L>::lend(|_| ()) }
}

fn main() {}
