//! claim: face.shutdown-ends-it
//! Shuts the migration object down twice: the last unref of another's object.
use migration::bql::BqlGuard;
use migration::{MigrationObject, Retired};

fn end(object: MigrationObject, bql: &mut BqlGuard<'_>) -> [Retired; 2] {
    [migration::shutdown(object, bql), migration::shutdown(object, bql)] //~ E0382
}

fn main() {}
