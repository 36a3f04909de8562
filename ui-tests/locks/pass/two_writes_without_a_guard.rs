//! claim: lock.writes-are-exclusive
//! Borrows a value that only it can see mutably twice.

use bql::BqlGuarded;

fn bump(cell: &mut BqlGuarded<u32>) {
    let first = cell.get_mut();
    *first += 1;
    let second = cell.get_mut();
    *second += 1;
}

fn main() {}
