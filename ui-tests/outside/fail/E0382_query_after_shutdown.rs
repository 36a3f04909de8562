//! claim: face.shutdown-ends-it
//! January 2026: a query that is still in the queue asks for the object after shutdown.
use migration::bql::BqlGuard;
use migration::{MigrationObject, Retired};

fn end(object: MigrationObject, bql: &mut BqlGuard<'_>) -> (Retired, String) {
    let retired = migration::shutdown(object, bql);
    (retired, format!("{object:?}")) //~ E0382
}

fn main() {}
