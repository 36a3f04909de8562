//! claim: export.read-ends-with-the-lock
//! Passes the borrowed object on together with the right to release the lock.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();
fn cleanup(_object: &String, _bql: &mut BqlGuard<'_>) {}

fn run(bql: &mut BqlGuard<'_>) -> Option<()> {
    PLACE.get(bql)?;
    let object = PLACE.share(bql)?;
    cleanup(&object, bql);
    Some(())
}

fn main() {}
