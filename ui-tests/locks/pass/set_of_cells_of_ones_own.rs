//! claim: lock.many-are-checked
//! Writes a set of values of one's own, which would be compared by nobody.

use biglock::Cells;
use bql::{Bql, BqlGuarded};

struct Unchecked<'a>(&'a BqlGuarded<u32>, &'a BqlGuarded<u32>);

impl<'a> Unchecked<'a> {
    fn cells(self) -> impl Cells<'a, Bql, Borrowed = (&'a mut u32, &'a mut u32)> { (self.0, self.1) }
}

fn main() {}
