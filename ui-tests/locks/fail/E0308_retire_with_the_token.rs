//! claim: export.retire-is-exclusive
//! Retires without the lock.

use bql::{Bql, BqlUnlocked};
use exported::Publication;

fn end(publication: Publication<String, Bql>, thread: &mut BqlUnlocked) {
    drop(publication.retire(thread)); //~ E0308
}

fn main() {}
