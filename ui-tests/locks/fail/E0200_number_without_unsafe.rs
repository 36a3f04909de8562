//! claim: lock.backend-is-unsafe
//! Gives all threads one number, without taking the duty on.

use biglock::attached::ThreadNumber;

struct AllOne;
impl ThreadNumber for AllOne { //~ E0200
    fn current() -> usize {
        0
    }
}

fn main() {}
