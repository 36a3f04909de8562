//! claim: phase.only-the-engine-stops
//! Says that the machine is stopped without stopping it.
use bql::BqlGuard;
use engine::{Device, RunState, VmStopped};

fn save<D: Device>(device: &D, bql: &BqlGuard<'_>) -> D::State {
    let stopped = VmStopped { was: RunState::Running }; //~ E0451 was
    device.save(bql, &stopped)
}

fn main() {}
