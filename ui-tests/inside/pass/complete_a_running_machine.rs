//! claim: phase.no-skip
//! Completes a migration whose machine was never stopped.
use bql::BqlUnlocked;
use engine::MigrationState;
use engine::outgoing::{Completed, Converged, Failed};

fn go(ready: Converged, state: &MigrationState, thread: &mut BqlUnlocked) -> Result<Completed, Failed> {
    ready.switch_over(state, thread)?.complete(state, thread)
}

fn main() {}
