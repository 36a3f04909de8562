//! claim: phase.one-end
//! Publishes one end twice: the second one may hit the next migration.
use bql::BqlGuard;
use engine::{Cleaned, MigrationState};

fn end(cleaned: Cleaned, state: &MigrationState, bql: &mut BqlGuard<'_>) {
    cleaned.publish(state, bql);
    cleaned.publish(state, bql); //~ E0382
}

fn main() {}
