//! claim: lock.half-written-data-is-marked
//! Moves guarded data into a closure whose panic is caught, and which may leave it half written.

use std::panic::UnwindSafe;

use bql::BqlGuarded;

fn require_unwind_safe<T: UnwindSafe>(_: T) {}

fn shorten(name: &BqlGuarded<String>) {
    require_unwind_safe(name); //~ E0277 catch_unwind
}

fn main() {}
