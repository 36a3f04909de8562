//! claim: export.publication-is-not-forged
//! Makes the right to retire with `Default`.

use bql::{Bql, BqlGuard};
use exported::Publication;

fn end(bql: &mut BqlGuard<'_>) {
    drop(Publication::<String, Bql>::default().retire(bql)); //~ E0599 default
}

fn main() {}
