//! claim: inside.status-is-read-only
//! Sets the status by hand, as migrate_set_state does.
use engine::{Direction, MigrationState, MigrationStatus};

fn give_up(state: &MigrationState) -> MigrationStatus {
    state.status(Direction::Outgoing)
}

fn main() {}
