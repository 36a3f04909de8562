//! claim: export.retire-is-once
//! Registers the retirement as a handler that may run many times.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn handler(publication: Publication<String, Bql>) -> impl FnMut(&mut BqlGuard<'_>) {
    move |bql| drop(publication.retire(bql)) //~ E0507
}

fn main() {}
