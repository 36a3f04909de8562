//! claim: lock.many-are-checked
//! Writes a set of values of one's own, which would be compared by nobody.

use biglock::Cells;
use bql::{Bql, BqlGuarded};

struct Unchecked<'a>(&'a BqlGuarded<u32>, &'a BqlGuarded<u32>);

impl<'a> Cells<'a, Bql> for Unchecked<'a> { //~ E0277 Sealed
    type Borrowed = (&'a mut u32, &'a mut u32);
}

fn main() {}
