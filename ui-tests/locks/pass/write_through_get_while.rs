//! claim: export.read-is-shared
//! Writes to the object through a read with a part of the guard.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn reset(bql: &mut BqlGuard<'_>) -> Option<()> {
    let object = PLACE.get_while(bql.split().0)?;
    assert_ne!(*object, String::new());
    Some(())
}

fn main() {}
