//! claim: phase.ends-happen-under-the-lock
//! Cleans up on a thread without the BQL; notifiers and the machine need it.
use bql::BqlUnlocked;
use engine::outgoing::Failed;
use engine::{Cleaned, MigrationState};

fn end(failed: Failed, state: &MigrationState, thread: &mut BqlUnlocked) -> Cleaned {
    failed.clean_up(state, &mut thread.lock())
}

fn main() {}
