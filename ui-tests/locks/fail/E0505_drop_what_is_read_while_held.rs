//! claim: lock.read-ends-with-the-lock
//! Drops a guarded value while a part of the guard keeps it readable.

use bql::{BqlGuard, BqlGuarded};

fn late(bql: &mut BqlGuard<'_>, cell: BqlGuarded<String>) -> usize {
    let (holding, _access) = bql.split();
    let text = unsafe { cell.borrow_while(holding) };
    drop(cell); //~ E0505
    text.len()
}

fn main() {}
