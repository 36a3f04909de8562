//! claim: export.retire-is-once
//! Retires one publication twice, which would drop a count that nobody owns.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn end(publication: Publication<String, Bql>, bql: &mut BqlGuard<'_>) {
    drop(publication.retire(bql));
    drop(publication.retire(bql)); //~ E0382
}

fn main() {}
