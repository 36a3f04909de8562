//! claim: export.read-ends-with-the-lock
//! Keeps the object while the lock is let go: the use after free of `query-migrate`.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn len(bql: &mut BqlGuard<'_>) -> Option<usize> {
    let object = PLACE.get(bql)?;
    bql.unlocked(|_| ()); //~ E0502
    Some(object.len())
}

fn main() {}
