//! claim: face.commands-may-release
//! Publishes the migration object where somebody may have found that there is none.
use migration::bql::BqlGuard;
use migration::{Host, InitError, MigrationObject};

fn call(bql: &BqlGuard<'_>, host: Host) -> Result<MigrationObject, InitError> {
    migration::object_init(bql, host) //~ E0308
}

fn main() {}
