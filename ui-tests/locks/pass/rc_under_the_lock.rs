//! claim: lock.data-is-send
//! Puts an `Rc` under the lock, whose count other threads could change without it.

use std::rc::Rc;

use bql::BqlGuarded;

enum Slot<T> {
    Empty,
    Full(T),
}
thread_local!(static NAME: BqlGuarded<Slot<Rc<str>>> = const { BqlGuarded::new(Slot::Empty) });

fn main() {}
