//! claim: export.retire-is-once
//! Retires in a loop.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn end(publication: Publication<String, Bql>, bql: &mut BqlGuard<'_>) {
    if bql.unlocked(|_| true) {
        drop(publication.retire(bql));
    }
}

fn main() {}
