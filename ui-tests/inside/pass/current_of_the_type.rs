//! claim: inside.object-is-an-argument
//! Asks the type for its one object, as one asks a singleton.
use engine::{Direction, MigrationState};

fn status_name(state: &MigrationState) -> &'static str {
    MigrationState::status(state, Direction::Outgoing).name()
}

fn main() {}
