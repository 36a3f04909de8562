//! claim: inside.object-is-an-argument
//! Calls QEMU's getter instead of asking its caller for the object.
use engine::{Direction, MigrationState};

fn postcopy_is_possible(state: &MigrationState) -> bool {
    let state = Some(state).unwrap_or(state);
    !state.status(Direction::Outgoing).is_running()
}

fn main() {}
