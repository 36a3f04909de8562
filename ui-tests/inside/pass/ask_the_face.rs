//! claim: inside.no-name-for-the-export
//! Asks the outside face, which would read the global, by its path.
use bql::BqlGuard;
use engine::{Direction, MigrationState};

fn must_wait(state: &MigrationState, bql: &BqlGuard<'_>) -> bool {
    let _ = bql;
    state.status(Direction::Outgoing).is_running() || state.status(Direction::Incoming).is_running()
}

fn main() {}
