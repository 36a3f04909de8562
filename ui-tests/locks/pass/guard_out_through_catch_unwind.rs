//! claim: lock.no-guard-leaves-the-closure
//! Takes the inner guard out as the result of `catch_unwind`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bql::BqlGuard;

fn escape(bql: &mut BqlGuard<'_>) {
    let result = catch_unwind(AssertUnwindSafe(|| {
        bql.unlocked(|thread| drop(thread.lock()))
    }));
    assert!(result.is_ok());
}

fn main() {}
