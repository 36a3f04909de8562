//! claim: phase.going-on-spends-the-proof
//! Saves a device with the proof of a stop that is over.
use bql::BqlGuard;
use engine::{Device, VmStopped};

fn save<D: Device>(device: &D, bql: &mut BqlGuard<'_>, stopped: VmStopped) -> D::State {
    let state = device.save(bql, &stopped);
    let _ = stopped.resume(bql);
    state
}

fn main() {}
