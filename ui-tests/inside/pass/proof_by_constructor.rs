//! claim: phase.only-the-engine-stops
//! Stops the machine past the engine, so that two proofs of one stop exist.
use bql::BqlGuard;
use engine::{RunState, Vm, VmStopped};

fn stop(vm: &dyn Vm, bql: &mut BqlGuard<'_>) -> RunState {
    let _ = VmStopped::was;
    vm.stop_for_migration(bql)
}

fn main() {}
