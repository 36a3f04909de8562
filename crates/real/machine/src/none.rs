//! A machine without processors, like QEMU's `-M none`: a block of RAM that can be sent and
//! received.

use std::sync::{Mutex, PoisonError};
use std::{fmt, io};

use migration::bql::{BqlGuard, BqlGuarded, BqlUnlocked};
use migration::{Device, RestoreError, RunState, SettleError, Vm, VmArrived, VmStopped, VmWaiting};
use wire::vmstate::CpuTimers;

/// A function that makes the received memory durable.
type Settle = dyn FnOnce() -> io::Result<()> + Send;

/// The processors of a machine that never runs.
pub struct NoVm {
    state: BqlGuarded<RunState>,
    /// Called once, when the machine has arrived.
    settle: Mutex<Option<Box<Settle>>>,
}

impl NoVm {
    /// Makes a machine that stays stopped, in `state`.
    pub fn new(state: RunState) -> Self {
        NoVm { state: BqlGuarded::new(state), settle: Mutex::default() }
    }

    /// Makes a machine that waits for a migration. `settle` makes the received memory durable, and
    /// only if it succeeds does the source learn that the machine has arrived. It is called once. A
    /// machine that is not confirmed after that is in `internal-error`, and waits for no other
    /// migration.
    pub fn that_settles(settle: impl FnOnce() -> io::Result<()> + Send + 'static) -> Self {
        NoVm { settle: Mutex::new(Some(Box::new(settle))), ..NoVm::new(RunState::InMigrate) }
    }
}

impl fmt::Debug for NoVm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoVm").finish_non_exhaustive()
    }
}

impl Vm for NoVm {
    fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        *self.state.borrow(bql)
    }

    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState {
        *self.state.borrow(bql)
    }

    fn resume_after_failure(&self, _bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {}

    fn has_moved(&self, bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {
        *self.state.borrow_mut(bql) = RunState::PostMigrate;
    }

    fn settle(&self, thread: &mut BqlUnlocked, _waiting: &VmWaiting) -> Result<(), SettleError> {
        let settle = self.settle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(settle) = settle else { return Ok(()) };
        // Until it has arrived: a file that has its name must not be written again.
        *self.state.borrow_mut(&mut thread.lock()) = RunState::InternalError;
        settle().map_err(SettleError::new)
    }

    fn has_arrived(&self, bql: &mut BqlGuard<'_>, arrived: &VmArrived) {
        *self.state.borrow_mut(bql) = arrived.at_source();
    }
}

/// QEMU's section `timer`, which every QEMU machine sends. It is kept unchanged.
#[derive(Debug, Default)]
pub struct Timers {
    timers: BqlGuarded<CpuTimers>,
}

impl Device for Timers {
    type State = CpuTimers;

    fn save(&self, bql: &BqlGuard<'_>, _stopped: &VmStopped) -> CpuTimers {
        self.timers.borrow(bql).clone()
    }

    fn restore(
        &self,
        bql: &mut BqlGuard<'_>,
        state: CpuTimers,
        _waiting: &VmWaiting,
    ) -> Result<(), RestoreError> {
        *self.timers.borrow_mut(bql) = state;
        Ok(())
    }
}
