//! claim: face.shutdown-has-the-lock-alone
//! Shuts down while a reader further up this thread is looking at the object.
use migration::bql::BqlGuard;
use migration::{MigrationObject, Retired};

fn end(object: MigrationObject, bql: &mut BqlGuard<'_>) -> Retired {
    migration::shutdown(object, bql)
}

fn main() {}
