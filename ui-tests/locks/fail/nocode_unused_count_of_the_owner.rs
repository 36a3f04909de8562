//! claim: export.a-lost-publication-is-noticed
//! Retires and does not say where the destructor runs.
#![deny(unused_must_use)]
use bql::{Bql, BqlGuard};
use exported::Publication;

fn end(publication: Publication<String, Bql>, bql: &mut BqlGuard<'_>) {
    publication.retire(bql); //~ nocode must
}

fn main() {}
