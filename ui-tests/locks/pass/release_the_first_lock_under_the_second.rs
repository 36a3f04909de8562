//! claim: lock.order-is-typed
//! Releases the first of two locks, and takes it again, with the second held.

use biglock::{Access, Guard, Lock, Unlocked};

/// The tokens of a thread that holds the first lock.
struct WithFirst<'t, First: Lock, Second: Lock> {
    first: Guard<'t, First>,
    second: &'t mut Unlocked<Second>,
}

impl<'t, First: Lock, Second: Lock> WithFirst<'t, First, Second> {
    fn first(&mut self) -> &mut Guard<'t, First> {
        &mut self.first
    }

    fn second(&mut self) -> (Access<'_, First>, Guard<'_, Second>) {
        (self.first.split().1, self.second.lock())
    }
}

fn both<First: Lock, Second: Lock>(mut held: WithFirst<'_, First, Second>) {
    held.first().unlocked(|_| ());
    let (_access, second) = held.second();
    drop(second);
}

fn main() {}
