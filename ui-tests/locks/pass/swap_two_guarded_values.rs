//! claim: lock.writes-are-exclusive
//! Borrows two guarded values mutably at once; values that change together belong in one.

use std::mem;

use bql::{BqlGuard, BqlGuarded};

static PAIR: BqlGuarded<(u32, u32)> = BqlGuarded::new((1, 2));

fn swap(bql: &mut BqlGuard<'_>) {
    let (first, second) = PAIR.borrow_mut(bql);
    mem::swap(first, second);
}

fn main() {}
