//! claim: face.hooks-say-their-lock-rule
//! Writes a machine that waits for its vCPUs with the BQL held, which they need to stop.
use migration::bql::BqlGuard;
use migration::{RunState, Vm, VmArrived, VmStopped};

struct Machine;

impl Vm for Machine {
    fn run_state(&self, _: &BqlGuard<'_>) -> RunState {
        RunState::Running
    }
    fn stop_for_migration(&self, _: &BqlGuard<'_>) -> RunState { //~ E0053
        RunState::Running
    }
    fn resume_after_failure(&self, _: &mut BqlGuard<'_>, _: &VmStopped) {}
    fn has_moved(&self, _: &mut BqlGuard<'_>, _: &VmStopped) {}
    fn has_arrived(&self, _: &mut BqlGuard<'_>, _: &VmArrived) {}
}

fn main() {}
