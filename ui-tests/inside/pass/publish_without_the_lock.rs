//! claim: phase.ends-happen-under-the-lock
//! Publishes the end beside a command that looks whether a migration runs.
use bql::BqlUnlocked;
use engine::{Cleaned, MigrationState};

fn end(cleaned: Cleaned, state: &MigrationState, thread: &mut BqlUnlocked) {
    cleaned.publish(state, &mut thread.lock());
}

fn main() {}
