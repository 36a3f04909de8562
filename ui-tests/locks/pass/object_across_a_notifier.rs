//! claim: export.read-ends-with-the-lock
//! Keeps the object across a notifier, which may release the lock.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn len(notify: fn(&mut BqlGuard<'_>), bql: &mut BqlGuard<'_>) -> Option<usize> {
    notify(bql);
    let object = PLACE.get(bql)?;
    Some(object.len())
}

fn main() {}
