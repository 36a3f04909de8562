//! claim: phase.going-on-spends-the-proof
//! Lets a machine go on here that goes on at the destination.
use bql::BqlGuard;
use engine::{Vm, VmStopped};

fn resume(vm: &dyn Vm, bql: &mut BqlGuard<'_>, stopped: VmStopped, moved: bool) {
    vm.has_moved(bql, stopped);
    if !moved { vm.resume_after_failure(bql, stopped); } //~ E0382
}

fn main() {}
