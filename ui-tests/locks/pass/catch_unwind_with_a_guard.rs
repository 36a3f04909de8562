//! claim: lock.half-written-data-is-marked
//! Moves a guard into a closure whose panic is caught, and which may leave data half written.

use std::panic::UnwindSafe;

use bql::BqlGuard;

fn require_unwind_safe<T: UnwindSafe>(_: T) {}

fn shorten(bql: BqlGuard<'_>) {
    require_unwind_safe(std::panic::AssertUnwindSafe(bql));
}

fn main() {}
