//! claim: phase.only-the-engine-stops
//! Says that a machine has arrived of which nothing was sent.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Host, RunState, VmArrived};

fn start(machine: Arc<Host>, bql: &mut BqlGuard<'_>, real: VmArrived) {
    let arrived = { drop(machine); real };
    let _ = arrived.start(bql);
}

fn main() {}
