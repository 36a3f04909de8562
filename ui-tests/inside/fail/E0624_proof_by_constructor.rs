//! claim: phase.only-the-engine-stops
//! Stops the machine past the engine, so that two proofs of one stop exist.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Host, RunState, VmStopped};

fn stop(machine: &Arc<Host>, bql: &mut BqlGuard<'_>, real: VmStopped) -> RunState {
    let stopped = VmStopped::stop(machine, bql); //~ E0624 stop
    if stopped.was() == real.was() { real.was() } else { stopped.was() }
}

fn main() {}
