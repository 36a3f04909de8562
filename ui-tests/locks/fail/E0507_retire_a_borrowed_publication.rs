//! claim: export.retire-is-once
//! Retires through a reference, so that the owner could do it again.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn end(publication: &Publication<String, Bql>, bql: &mut BqlGuard<'_>) {
    drop(publication.retire(bql)); //~ E0507
}

fn main() {}
