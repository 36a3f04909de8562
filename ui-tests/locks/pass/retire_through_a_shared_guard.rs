//! claim: export.retire-is-exclusive
//! Retires with a shared borrow of the guard, while readers may be looking.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn end(publication: Publication<String, Bql>, bql: &mut BqlGuard<'_>) {
    drop(publication.retire(bql));
}

fn main() {}
