//! claim: lock.split-writes-are-exclusive
//! Drops a guarded value while it is written with a part of the guard.

use bql::{BqlAccess, BqlGuarded};

fn late(mut access: BqlAccess<'_>, cell: BqlGuarded<String>) {
    let text = access.borrow_mut(&cell);
    text.push('!');
    drop(cell);
}

fn main() {}
