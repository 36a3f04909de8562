//! claim: phase.moving-on-consumes
//! Goes on sending memory from a phase that has ended, beside the one that follows.
use bql::BqlUnlocked;
use engine::outgoing::{Active, Failed, Switchover};

fn go(active: Active, thread: &mut BqlUnlocked) -> Result<Switchover, Failed> {
    let _converged = active.iterate(thread)?;
    active.iterate(thread)?.switch_over(thread) //~ E0382
}

fn main() {}
