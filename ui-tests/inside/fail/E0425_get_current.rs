//! claim: inside.object-is-an-argument
//! Calls QEMU's getter instead of asking its caller for the object.
use engine::{Direction, MigrationState};

fn postcopy_is_possible(state: &MigrationState) -> bool {
    let state = engine::migrate_get_current().unwrap_or(state); //~ E0425 migrate_get_current
    !state.status(Direction::Outgoing).is_running()
}

fn main() {}
