//! claim: face.commands-may-release
//! Continues a migration that is paused under a reader further up.
use migration::bql::BqlGuard;
use migration::{CommandError, MigrationStatus};

fn call(bql: &mut BqlGuard<'_>, status: MigrationStatus) -> Result<(), CommandError> {
    migration::migrate_continue(bql, status)
}

fn main() {}
