//! claim: lock.marker-names-the-lock
//! Erases the lock with `Any` to ask for the guard of another.

use std::any::Any;

use bql::BqlGuard;

fn downcast(guard: BqlGuard<'_>) -> bool {
    let any: Box<dyn Any> = Box::new(guard); //~ nocode
    any.is::<BqlGuard<'static>>()
}

fn main() {}
