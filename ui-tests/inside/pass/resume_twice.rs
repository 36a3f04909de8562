//! claim: phase.going-on-spends-the-proof
//! Lets the machine go on twice for one stop.
use bql::BqlGuard;
use engine::{Vm, VmStopped};

fn resume(vm: &dyn Vm, bql: &mut BqlGuard<'_>, stopped: VmStopped) {
    vm.resume_after_failure(bql, stopped);
}

fn main() {}
