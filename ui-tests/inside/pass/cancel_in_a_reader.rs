//! claim: inside.settings-need-the-lock
//! Cancels where the BQL is only lent for reading, as in a hook that saves.
use bql::BqlGuard;
use engine::{Direction, MigrationState};

fn refuse(state: &MigrationState, bql: &mut BqlGuard<'_>) {
    state.cancel(bql, Direction::Outgoing);
}

fn main() {}
