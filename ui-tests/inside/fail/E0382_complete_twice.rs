//! claim: phase.moving-on-consumes
//! Completes one switchover twice: two ends for one migration.
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::{Completed, Failed, Switchover};

fn finish(last: Switchover, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<Completed, Failed> {
    let _ = last.complete(state, thread);
    last.complete(state, thread) //~ E0382
}

fn main() {}
