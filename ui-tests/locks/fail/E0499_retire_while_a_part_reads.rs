//! claim: export.read-while-writing
//! Retires the object while it is read with a part of the guard.

use bql::{Bql, BqlGuard};
use exported::{Exported, Publication};

static PLACE: Exported<String, Bql> = Exported::new();

fn end(publication: Publication<String, Bql>, bql: &mut BqlGuard<'_>) -> usize {
    let (holding, _access) = bql.split();
    let object = PLACE.get_while(holding);
    drop(publication.retire(bql)); //~ E0499
    object.map_or(0, |object| object.len())
}

fn main() {}
