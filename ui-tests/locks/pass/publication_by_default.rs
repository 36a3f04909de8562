//! claim: export.publication-is-not-forged
//! Makes the right to retire with `Default`.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn end(bql: &mut BqlGuard<'_>, publication: Publication<String, Bql>) {
    drop(publication.retire(bql));
}

fn main() {}
