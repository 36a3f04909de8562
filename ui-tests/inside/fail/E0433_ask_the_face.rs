//! claim: inside.no-name-for-the-export
//! Asks the outside face, which would read the global, by its path.
use bql::BqlGuard;
use engine::{Direction, MigrationState};

fn must_wait(state: &MigrationState, bql: &BqlGuard<'_>) -> bool {
    migration::is_running(bql) || state.status(Direction::Incoming).is_running() //~ E0433 migration
}

fn main() {}
