//! claim: export.retire-is-once
//! Retires in a loop.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn end(publication: Publication<String, Bql>, bql: &mut BqlGuard<'_>) {
    for _ in 0..2 {
        drop(publication.retire(bql)); //~ E0382
    }
}

fn main() {}
