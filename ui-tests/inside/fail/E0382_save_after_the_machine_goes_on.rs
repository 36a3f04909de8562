//! claim: phase.going-on-spends-the-proof
//! Saves a device with the proof of a stop that is over.
use bql::BqlGuard;
use engine::{Device, Vm, VmStopped};

fn save<D: Device>(vm: &dyn Vm, device: &D, bql: &mut BqlGuard<'_>, stopped: VmStopped) -> D::State {
    vm.resume_after_failure(bql, stopped);
    device.save(bql, &stopped) //~ E0382
}

fn main() {}
