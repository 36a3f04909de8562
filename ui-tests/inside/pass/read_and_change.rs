//! claim: inside.registrations-change-alone
//! Changes the registrations while a read of them is in use.
use bql::BqlGuard;
use engine::{Blocker, MigrationState};

fn block(state: &MigrationState, bql: &mut BqlGuard<'_>) -> (String, Blocker) {
    let before = state.registrations(bql).clone();
    let blocker = state.registrations_mut(bql).add_blocker("a disk");
    (format!("{before:?}"), blocker)
}

fn main() {}
