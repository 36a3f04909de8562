//! claim: phase.end-comes-from-cleanup
//! Publishes FAILED with a value that no cleanup returned.
use bql::BqlGuard;
use engine::outgoing::Failed;
use engine::{Cleaned, Direction, MigrationState, MigrationStatus};

fn give_up(failed: Failed, state: &MigrationState, bql: &mut BqlGuard<'_>) {
    let cleaned = Cleaned { direction: Direction::Outgoing, status: MigrationStatus::Failed }; //~ E0451 direction
    let _ = failed;
    cleaned.publish(state, bql);
}

fn main() {}
