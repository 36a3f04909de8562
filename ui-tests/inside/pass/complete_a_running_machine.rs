//! claim: phase.no-skip
//! Completes a migration whose machine was never stopped.
use bql::BqlUnlocked;
use engine::outgoing::{Completed, Converged, NotCompleted};

fn go(ready: Converged, thread: &mut BqlUnlocked) -> Result<Completed, NotCompleted> {
    ready.switch_over(thread)?.complete(thread)
}

fn main() {}
