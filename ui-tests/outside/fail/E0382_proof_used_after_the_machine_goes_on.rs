//! claim: face.proof-is-spent
//! Shows the proof of a stop to a device after the machine went on.
use migration::bql::BqlGuard;
use migration::{Device, VmStopped};

fn resume<D: Device>(device: &D, bql: &mut BqlGuard<'_>, stopped: VmStopped) -> D::State {
    let _ = stopped.resume(bql);
    device.save(bql, &stopped) //~ E0382
}

fn main() {}
