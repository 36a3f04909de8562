//! claim: face.machine-answers-every-end
//! Writes a machine that does not say how it goes on after a migration that failed.
use migration::bql::BqlGuard;
use migration::{RunState, Vm, VmArrived, VmStopped};

struct Machine;

impl Vm for Machine { //~ E0046
    fn run_state(&self, _: &BqlGuard<'_>) -> RunState {
        RunState::Running
    }
    fn stop_for_migration(&self, _: &mut BqlGuard<'_>) -> RunState {
        RunState::Running
    }
    fn has_moved(&self, _: &mut BqlGuard<'_>, _: &VmStopped) {}
    fn has_arrived(&self, _: &mut BqlGuard<'_>, _: &VmArrived) {}
}

fn main() {}
