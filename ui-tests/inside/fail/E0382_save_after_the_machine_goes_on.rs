//! claim: phase.going-on-spends-the-proof
//! Saves a device with the proof of a stop that is over.
use bql::BqlGuard;
use engine::{Device, VmStopped};

fn save<D: Device>(device: &D, bql: &mut BqlGuard<'_>, stopped: VmStopped) -> D::State {
    let _ = stopped.resume(bql);
    device.save(bql, &stopped) //~ E0382
}

fn main() {}
