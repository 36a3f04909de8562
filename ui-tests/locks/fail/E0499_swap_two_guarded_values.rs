//! claim: lock.writes-are-exclusive
//! Borrows two guarded values mutably at once; values that change together belong in one.

use std::mem;

use bql::{BqlGuard, BqlGuarded};

static PAIR: (BqlGuarded<u32>, BqlGuarded<u32>) = (BqlGuarded::new(1), BqlGuarded::new(2));

fn swap(bql: &mut BqlGuard<'_>) {
    mem::swap(PAIR.0.borrow_mut(bql), PAIR.1.borrow_mut(bql)); //~ E0499
}

fn main() {}
