//! claim: inside.no-second-lock
//! Locks the migration object itself, as was asked in the review of the second repair of 2024.
use bql::BqlGuard;
use engine::{MigrationState, Registrations};

fn registrations<'g>(state: &'g MigrationState, bql: &'g BqlGuard<'_>) -> &'g Registrations {
    let _object = state.life();
    state.registrations(bql)
}

fn main() {}
