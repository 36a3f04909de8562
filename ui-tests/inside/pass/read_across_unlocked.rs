//! claim: inside.read-ends-at-a-release
//! Lets the BQL go and goes on with what was read under it.
use bql::BqlGuard;
use engine::MigrationState;

fn describe(state: &MigrationState, bql: &mut BqlGuard<'_>) -> String {
    let all = state.registrations(bql).clone();
    bql.unlocked(|_| ());
    format!("{all:?}")
}

fn main() {}
