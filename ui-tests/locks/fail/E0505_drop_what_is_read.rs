//! claim: lock.read-ends-with-the-lock
//! Drops a guarded value while it is read.

use bql::{BqlGuard, BqlGuarded};

fn late(bql: &BqlGuard<'_>, cell: BqlGuarded<String>) -> usize {
    let text = cell.borrow(bql);
    drop(cell); //~ E0505
    text.len()
}

fn main() {}
