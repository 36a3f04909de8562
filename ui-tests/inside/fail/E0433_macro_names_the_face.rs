//! claim: inside.no-name-for-the-export
//! Hides the path to the global in a macro, as QEMU hides it in a getter.
use engine::{Direction, MigrationState};

macro_rules! is_running {
    ($state:expr, $bql:expr) => { ::migration::is_running($bql) }; //~ E0433 migration
}

fn check(state: &MigrationState, bql: &bql::BqlGuard<'_>) -> bool {
    let _ = (state, bql, Direction::Outgoing);
    is_running!(state, bql)
}

fn main() {}
