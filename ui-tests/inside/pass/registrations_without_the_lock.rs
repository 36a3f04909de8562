//! claim: inside.registrations-need-the-lock
//! Looks at blockers on a thread that shows that it does not hold the BQL.
use bql::BqlUnlocked;
use engine::{MigrationState, Registrations};

fn blockers(state: &MigrationState, thread: &mut BqlUnlocked) -> String {
    let guard = thread.lock();
    let all: &Registrations = state.registrations(&guard);
    format!("{all:?}")
}

fn main() {}
