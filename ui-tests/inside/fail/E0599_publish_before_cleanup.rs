//! claim: phase.end-comes-from-cleanup
//! Publishes the end of a migration that is still to be cleaned up.
use bql::BqlGuard;
use engine::MigrationState;
use engine::outgoing::Failed;

fn end(failed: Failed, state: &MigrationState, bql: &mut BqlGuard<'_>) {
    failed.publish(state, bql); //~ E0599 publish
}

fn main() {}
