//! claim: phase.moving-on-consumes
//! Completes one switchover twice: two ends for one migration.
use bql::BqlUnlocked;
use engine::outgoing::{Completed, NotCompleted, Switchover};

fn finish(last: Switchover, thread: &mut BqlUnlocked) -> Result<Completed, NotCompleted> {
    last.complete(thread)
}

fn main() {}
