//! claim: export.read-ends-with-the-lock
//! Retires the object while a reader still looks at it.

use bql::{Bql, BqlGuard};
use exported::{Exported, Publication};

static PLACE: Exported<String, Bql> = Exported::new();

fn end(publication: Publication<String, Bql>, bql: &mut BqlGuard<'_>) -> usize {
    let object = PLACE.get(bql);
    drop(publication.retire(bql)); //~ E0502
    object.map_or(0, |object| object.len())
}

fn main() {}
