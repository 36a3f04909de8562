//! claim: lock.order-is-typed
//! Takes the first of two locks with the second held.

use biglock::{Guard, Lock, Unlocked};

/// The tokens of a thread that holds neither lock. `second` borrows both.
struct Thread<First: Lock, Second: Lock> {
    first: Unlocked<First>,
    second: Unlocked<Second>,
}

impl<First: Lock, Second: Lock> Thread<First, Second> {
    fn first(&mut self) -> (Guard<'_, First>, &mut Unlocked<Second>) {
        (self.first.lock(), &mut self.second)
    }

    fn second(&mut self) -> Guard<'_, Second> {
        self.second.lock()
    }
}

fn both<First: Lock, Second: Lock>(thread: &mut Thread<First, Second>) {
    let second = thread.second();
    let (first, _) = thread.first(); //~ E0499
    drop((first, second));
}

fn main() {}
