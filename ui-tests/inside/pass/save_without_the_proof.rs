//! claim: phase.saving-needs-a-stopped-machine
//! Saves a device while the machine may be running.
use bql::BqlGuard;
use engine::{Device, VmStopped};

fn save<D: Device>(device: &D, bql: &BqlGuard<'_>, stopped: &VmStopped) -> D::State {
    device.save(bql, stopped)
}

fn main() {}
