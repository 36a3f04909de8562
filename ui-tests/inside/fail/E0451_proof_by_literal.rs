//! claim: phase.only-the-engine-stops
//! Says that the machine is stopped without stopping it.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Device, Host, RunState, VmStopped};

fn save<D: Device>(device: &D, machine: Arc<Host>, bql: &BqlGuard<'_>, real: VmStopped) -> D::State {
    let stopped = VmStopped { machine, was: RunState::Running }; //~ E0451 machine
    device.save(bql, if real.was() == RunState::Running { &stopped } else { &real })
}

fn main() {}
