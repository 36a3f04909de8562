//! claim: phase.keeps-its-object
//! Publishes the end of one migration as that of another object.
use bql::BqlGuard;
use engine::{Cleaned, MigrationState};

fn end(cleaned: Cleaned, other: &MigrationState, bql: &mut BqlGuard<'_>) {
    cleaned.publish(other, bql); //~ E0061
}

fn main() {}
