//! claim: lock.writes-are-exclusive
//! Borrows a value that only it can see mutably twice.

use bql::BqlGuarded;

fn bump(cell: &mut BqlGuarded<u32>) {
    let first = cell.get_mut();
    let second = cell.get_mut(); //~ E0499
    *first += 1;
    *second += 1;
}

fn main() {}
