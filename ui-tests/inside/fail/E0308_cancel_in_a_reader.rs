//! claim: inside.settings-need-the-lock
//! Cancels where the BQL is only lent for reading, as in a hook that saves.
use bql::BqlGuard;
use engine::{Direction, MigrationState};

fn refuse(state: &MigrationState, bql: &BqlGuard<'_>) {
    state.cancel(bql, Direction::Outgoing); //~ E0308
}

fn main() {}
