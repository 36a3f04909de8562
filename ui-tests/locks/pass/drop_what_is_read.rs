//! claim: lock.read-ends-with-the-lock
//! Drops a guarded value while it is read.

use bql::{BqlGuard, BqlGuarded};

fn late(bql: &BqlGuard<'_>, cell: BqlGuarded<String>) -> usize {
    let text = cell.borrow(bql);
    let length = text.len();
    drop(cell);
    length
}

fn main() {}
