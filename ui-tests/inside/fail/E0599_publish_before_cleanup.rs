//! claim: phase.end-comes-from-cleanup
//! Publishes the end of a migration that is still to be cleaned up.
use bql::BqlGuard;
use engine::outgoing::Failed;

fn end(failed: Failed, bql: &mut BqlGuard<'_>) {
    failed.publish(bql); //~ E0599 publish
}

fn main() {}
