//! claim: lock.split-writes-are-exclusive
//! Writes a guarded value that is inside of another one, and the outer one as well.

use bql::{BqlAccess, BqlGuarded};

static OUTER: BqlGuarded<BqlGuarded<u32>> = BqlGuarded::new(BqlGuarded::new(0));

fn both(mut access: BqlAccess<'_>) {
    let outer = access.borrow_mut(&OUTER);
    let inner = access.borrow_mut(outer); //~ E0499
    *inner += 1;
}

fn main() {}
