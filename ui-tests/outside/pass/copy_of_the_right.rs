//! claim: face.one-right-to-shut-down
//! Copies the right to shut down.
use migration::bql::BqlGuard;
use migration::{MigrationObject, Retired};

fn end(object: MigrationObject, bql: &mut BqlGuard<'_>) -> Retired {
    migration::shutdown(object, bql)
}

fn main() {}
