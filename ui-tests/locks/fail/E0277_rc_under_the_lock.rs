//! claim: lock.data-is-send
//! Puts an `Rc` under the lock, whose count other threads could change without it.

use std::rc::Rc;

use bql::BqlGuarded;

enum Slot<T> {
    Empty,
    Full(T),
}
static NAME: BqlGuarded<Slot<Rc<str>>> = BqlGuarded::new(Slot::Empty); //~ E0277 Rc

fn main() {}
