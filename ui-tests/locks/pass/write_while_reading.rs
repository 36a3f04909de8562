//! claim: lock.writes-are-exclusive
//! Writes a value while a reference to it is in use.

use bql::{BqlGuard, BqlGuarded};

static NAMES: BqlGuarded<Vec<String>> = BqlGuarded::new(Vec::new());

fn repeat(bql: &mut BqlGuard<'_>) {
    for name in NAMES.borrow(bql).to_vec() {
        NAMES.borrow_mut(bql).push(name.clone());
    }
}

fn main() {}
