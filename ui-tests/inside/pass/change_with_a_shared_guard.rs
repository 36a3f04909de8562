//! claim: inside.registrations-change-alone
//! Adds a blocker in a function that only shows that the BQL is held: a reader may be looking.
use bql::BqlGuard;
use engine::{Blocker, MigrationState};

fn block(state: &MigrationState, bql: &mut BqlGuard<'_>) -> Blocker {
    state.registrations_mut(bql).add_blocker("a disk without migration")
}

fn main() {}
