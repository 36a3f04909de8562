//! claim: lock.foreign-entry-is-unsafe
//! Drops the lent guard, which would release the lock of its lender.

use biglock::{Foreign, Guard, Lock};

fn enter<L: Lock<Backend: Foreign>>() {
    unsafe { Guard::<L>::lend(|guard| drop(*guard)) } //~ E0507
}

fn main() {}
