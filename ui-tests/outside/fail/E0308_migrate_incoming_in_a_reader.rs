//! claim: face.commands-may-release
//! Lets a migration come in under a reader further up.
use migration::bql::BqlGuard;
use migration::{CommandError, Endpoint};

fn call(bql: &BqlGuard<'_>, endpoint: Endpoint) -> Result<(), CommandError> {
    migration::migrate_incoming(bql, endpoint) //~ E0308
}

fn main() {}
