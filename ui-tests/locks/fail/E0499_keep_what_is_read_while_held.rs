//! claim: lock.read-ends-with-the-lock
//! Keeps what was readable while a part of the guard was used.

use bql::{BqlGuard, BqlGuarded};

fn late(bql: &mut BqlGuard<'_>, cell: &BqlGuarded<String>) -> usize {
    let (holding, _access) = bql.split();
    let text = unsafe { cell.borrow_while(holding) };
    bql.unlocked(|_| ()); //~ E0499
    text.len()
}

fn main() {}
