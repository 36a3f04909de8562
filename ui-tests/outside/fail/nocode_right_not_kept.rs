//! claim: face.one-right-to-shut-down
//! Makes the object and loses the right to shut it down.
#![deny(unused_must_use)]
use migration::bql::BqlGuard;
use migration::{Host, InitError, MigrationObject};

fn start(bql: &mut BqlGuard<'_>, host: Host, keep: fn(MigrationObject)) -> Result<(), InitError> {
    migration::object_init(bql, host)?; //~ nocode
    let _ = keep;
    Ok(())
}

fn main() {}
