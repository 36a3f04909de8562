//! claim: inside.status-is-read-only
//! Reaches for the progress behind a status, to change it.
use engine::{Direction, MigrationState};

fn look(state: &MigrationState) -> bool {
    let _progress = state.observer(Direction::Outgoing);
    state.status(Direction::Outgoing).is_running()
}

fn main() {}
