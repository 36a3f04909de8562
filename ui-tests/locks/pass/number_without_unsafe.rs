//! claim: lock.backend-is-unsafe
//! Gives all threads one number, without taking the duty on.

use biglock::attached::ThreadNumber;

struct AllOne;
// SAFETY: of a program with one thread.
unsafe impl ThreadNumber for AllOne {
    fn current() -> usize {
        0
    }
}

fn main() {}
