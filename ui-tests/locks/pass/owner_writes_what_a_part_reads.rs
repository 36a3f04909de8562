//! claim: lock.split-writes-are-exclusive
//! Writes a guarded value as its owner, without a guard, while it is read with a part of one.

use bql::{BqlAccess, BqlGuarded};

fn grow(access: &BqlAccess<'_>, cell: &mut BqlGuarded<String>) -> usize {
    cell.get_mut().push('!');
    let text = access.borrow(cell);
    text.len()
}

fn main() {}
