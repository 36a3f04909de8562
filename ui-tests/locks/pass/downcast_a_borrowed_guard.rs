//! claim: lock.marker-names-the-lock
//! Erases the lock with `Any` to ask for the guard of another.

use std::any::Any;

use bql::BqlGuard;

fn downcast(guard: BqlGuard<'static>) -> bool {
    let any: Box<dyn Any> = Box::new(guard);
    any.is::<BqlGuard<'static>>()
}

fn main() {}
