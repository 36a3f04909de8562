//! claim: inside.read-ends-at-a-release
//! Drops the guard early and goes on reading.
use bql::BqlUnlocked;
use engine::MigrationState;

fn describe(state: &MigrationState, thread: &mut BqlUnlocked) -> String {
    let guard = thread.lock();
    let all = state.registrations(&guard);
    drop(guard); //~ E0505
    format!("{all:?}")
}

fn main() {}
