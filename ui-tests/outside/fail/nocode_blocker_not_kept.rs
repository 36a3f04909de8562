//! claim: face.handles-only-from-the-face
//! Blocks migration and loses the handle, so that nothing is blocked.
#![deny(unused_must_use)]
use migration::bql::BqlGuard;
use migration::{Blocker, CommandError};

fn open_disk(bql: &mut BqlGuard<'_>, keep: fn(Blocker)) -> Result<(), CommandError> {
    migration::add_blocker(bql, "a disk without migration")?; //~ nocode
    let _ = keep;
    Ok(())
}

fn main() {}
