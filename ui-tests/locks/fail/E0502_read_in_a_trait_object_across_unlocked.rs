//! claim: lock.read-ends-with-the-lock
//! Hides the reference behind a trait object, so that its type is gone.

use std::fmt::Display;

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn show(bql: &mut BqlGuard<'_>) -> String {
    let shown: Box<dyn Display + '_> = Box::new(RUNS.borrow(bql));
    bql.unlocked(|_| ()); //~ E0502
    shown.to_string()
}

fn main() {}
