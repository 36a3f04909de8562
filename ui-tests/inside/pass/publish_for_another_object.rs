//! claim: phase.keeps-its-object
//! Publishes the end of one migration as that of another object.
use bql::BqlGuard;
use engine::{Cleaned, MigrationState};

fn end(cleaned: Cleaned, other: &MigrationState, bql: &mut BqlGuard<'_>) {
    let _ = (other, cleaned.publish(bql));
}

fn main() {}
