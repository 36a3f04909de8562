//! claim: phase.moving-on-consumes
//! Goes on sending memory from a phase that has ended, beside the one that follows.
use bql::BqlUnlocked;
use engine::outgoing::{Active, Failed, Switchover};

fn go(active: Active, thread: &mut BqlUnlocked) -> Result<Switchover, Failed> {
    let converged = active.iterate(thread)?;
    converged.switch_over(thread)
}

fn main() {}
