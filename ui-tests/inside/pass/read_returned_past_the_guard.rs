//! claim: inside.read-ends-at-a-release
//! Takes the lock inside a helper and returns what it read under it.
use bql::BqlUnlocked;
use engine::{MigrationState, Registrations};

fn all<'a>(state: &'a MigrationState, thread: &'a mut BqlUnlocked) -> Registrations {
    let guard = thread.lock();
    state.registrations(&guard).clone()
}

fn main() {}
