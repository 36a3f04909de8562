//! claim: lock.split-writes-are-exclusive
//! Writes a guarded value as its owner, without a guard, while it is read with a part of one.

use bql::{BqlAccess, BqlGuarded};

fn grow(access: &BqlAccess<'_>, cell: &mut BqlGuarded<String>) -> usize {
    let text = access.borrow(cell);
    cell.get_mut().push('!'); //~ E0502
    text.len()
}

fn main() {}
