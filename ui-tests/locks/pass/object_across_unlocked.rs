//! claim: export.read-ends-with-the-lock
//! Keeps the object while the lock is let go: the use after free of `query-migrate`.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn len(bql: &mut BqlGuard<'_>) -> Option<usize> {
    bql.unlocked(|_| ());
    let object = PLACE.get(bql)?;
    Some(object.len())
}

fn main() {}
