//! claim: face.proof-is-spent
//! Shows the proof of a stop to a device after the machine went on.
use migration::bql::BqlGuard;
use migration::{Device, VmStopped};

fn resume<D: Device>(device: &D, bql: &mut BqlGuard<'_>, stopped: VmStopped) -> D::State {
    let state = device.save(bql, &stopped);
    let _ = stopped.resume(bql);
    state
}

fn main() {}
