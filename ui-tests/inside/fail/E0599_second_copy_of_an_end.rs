//! claim: phase.one-end
//! Copies the end, to publish it again later.
use bql::BqlGuard;
use engine::{Cleaned, MigrationState};

fn end(cleaned: Cleaned, state: &MigrationState, bql: &mut BqlGuard<'_>) {
    cleaned.clone().publish(state, bql); //~ E0599 clone Cleaned
    cleaned.publish(state, bql);
}

fn main() {}
