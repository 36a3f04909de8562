//! claim: export.retire-is-once
//! Clones the right to retire.

use bql::Bql;
use exported::Publication;

fn two(publication: Publication<String, Bql>) {
    let second = publication.clone(); //~ E0599 clone
    let _ = second;
    drop(publication);
}

fn main() {}
