//! claim: inside.object-is-an-argument
//! Asks the type for its one object, as one asks a singleton.
use engine::{Direction, MigrationState};

fn status_name(state: &MigrationState) -> &'static str {
    MigrationState::current(state).status(Direction::Outgoing).name() //~ E0599 current
}

fn main() {}
