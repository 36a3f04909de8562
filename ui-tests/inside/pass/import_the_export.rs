//! claim: inside.no-name-for-the-export
//! Takes the type of the one global into scope, as the next person who needs the object would.
use bql::Bql;
use engine::{Direction, MigrationState};

type Current = (MigrationState, Bql);

fn is_running(state: &MigrationState, _: fn(Current)) -> bool {
    state.status(Direction::Outgoing).is_running()
}

fn main() {}
