//! A machine without processors, as QEMU's `-M none`: a block of RAM that can be sent and
//! received.

use migration::bql::{BqlGuard, BqlGuarded};
use migration::{Device, RestoreError, RunState, Vm, VmStopped};
use wire::vmstate::CpuTimers;

/// A machine that never runs.
#[derive(Debug)]
pub struct NoVm {
    state: BqlGuarded<RunState>,
}

impl NoVm {
    /// A machine that stands still in `state`.
    pub fn new(state: RunState) -> Self {
        NoVm { state: BqlGuarded::new(state) }
    }
}

impl Vm for NoVm {
    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState {
        *self.state.borrow(bql)
    }

    fn resume_after_failure(&self, _bql: &mut BqlGuard<'_>, _stopped: VmStopped) {}

    fn has_moved(&self, bql: &mut BqlGuard<'_>, _stopped: VmStopped) {
        *self.state.borrow_mut(bql) = RunState::PostMigrate;
    }

    fn has_arrived(&self, bql: &mut BqlGuard<'_>, at_source: RunState) {
        *self.state.borrow_mut(bql) = at_source;
    }
}

/// QEMU's section `timer`, which every QEMU machine sends: kept as it came.
#[derive(Debug, Default)]
pub struct Timers {
    timers: BqlGuarded<CpuTimers>,
}

impl Device for Timers {
    type State = CpuTimers;

    fn save(&self, bql: &BqlGuard<'_>, _stopped: &VmStopped) -> CpuTimers {
        self.timers.borrow(bql).clone()
    }

    fn restore(&self, bql: &mut BqlGuard<'_>, state: CpuTimers) -> Result<(), RestoreError> {
        *self.timers.borrow_mut(bql) = state;
        Ok(())
    }
}
