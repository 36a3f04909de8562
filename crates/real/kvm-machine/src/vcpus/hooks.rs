//! What a migration does to the vCPUs.

use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{RunState, SettleError, Vm, VmArrived, VmStopped, VmWaiting};
use wire::vmstate::VmState;

use super::{Saved, Shared, VcpuFailure, Vcpus};
use crate::error::KvmError;
use crate::program::writes_done;
use crate::state::order::{VmParts, set_all};
use crate::state::vcpu::VcpuState;
use crate::state::vm::{ClockState, IrqchipState, PitState};
use crate::state::{DoorbellState, GuestState, SerialPortState};

/// The operations of a migration on the vCPUs. Only the machine's [`Host`](migration::Host) has
/// them; [`Vcpus`] does not.
#[derive(Debug)]
pub(crate) struct Hooks(pub(crate) Vcpus);

impl Hooks {
    /// Reads the state of a machine whose vCPUs are parked.
    pub(crate) fn read(&self, bql: &BqlGuard<'_>) -> Result<Saved, KvmError> {
        let Shared { vm, msrs, run, .. } = &*self.0.shared;
        let run = run.borrow(bql);
        let mut saved = Saved { guest: run.guest, parts: VmParts::read(vm)?, ..Saved::default() };
        for (index, place) in run.places.iter().enumerate() {
            let parked = place.parked.as_ref().ok_or(KvmError::Executes { vcpu: index })?;
            saved.vcpus.push(parked.vcpu.read(msrs)?);
            if let Some(devices) = &parked.devices {
                (saved.serial, saved.doorbell) = devices.state();
            }
        }
        Ok(saved)
    }

    /// Puts the received state into the machine.
    fn set(&self, bql: &mut BqlGuard<'_>) -> Result<(), KvmError> {
        let run = self.0.shared.run.borrow_mut(bql);
        let received = &run.received;
        let missing = |section, instance| move || KvmError::NotArrived { section, instance };
        let guest = received.guest.ok_or_else(missing(GuestState::NAME, 0))?;
        let parts = VmParts {
            irqchip: received.irqchip.clone().ok_or_else(missing(IrqchipState::NAME, 0))?,
            pit: received.pit.ok_or_else(missing(PitState::NAME, 0))?,
            clock: received.clock.ok_or_else(missing(ClockState::NAME, 0))?,
        };
        let serial = received.serial.clone().ok_or_else(missing(SerialPortState::NAME, 0))?;
        let doorbell = received.doorbell.ok_or_else(missing(DoorbellState::NAME, 0))?;
        let mut pairs = Vec::new();
        for (index, (place, state)) in run.places.iter().zip(&received.vcpus).enumerate() {
            let state = state.as_ref().ok_or_else(missing(VcpuState::NAME, index))?;
            let parked = place.parked.as_ref().ok_or(KvmError::Executes { vcpu: index })?;
            pairs.push((&parked.vcpu, state));
        }
        set_all(&self.0.shared.vm, &parts, pairs.iter().copied())?;
        run.arrived =
            pairs.iter().map(|(_, state)| writes_done(state.regs.rip, state.regs.rbx)).collect();
        run.guest = guest;
        for devices in
            run.places.iter_mut().filter_map(|place| place.parked.as_mut()?.devices.as_mut())
        {
            devices.set(&serial, doorbell);
        }
        Ok(())
    }
}

impl Vm for Hooks {
    fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        self.0.run_state(bql)
    }

    /// Stops the vCPUs and reads their state. A failure makes the migration fail: the state that is
    /// saved then is empty, and no destination accepts it.
    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState {
        let run = self.0.shared.run.borrow_mut(bql);
        if run.state != RunState::FinishMigrate {
            run.before = run.state;
            run.state = RunState::FinishMigrate;
        }
        // No code starts a vCPU in this state, so all are parked once they have stopped executing.
        self.0.shared.wait_until_out(bql);
        let saved = self.read(bql);
        let run = self.0.shared.run.borrow_mut(bql);
        match (saved, &run.failure) {
            (Ok(saved), None) => run.saved = Some(saved),
            (Ok(_), Some(failure)) => {
                run.saved = None;
                let reason = failure.to_string();
                // It fails only if there is no migration, or one that has failed already.
                let _ = migration::file_set_error(bql, reason);
            }
            (Err(error), _) => {
                run.saved = None;
                self.0.shared.fail(bql, VcpuFailure::State(error));
            }
        }
        self.0.run(bql).before
    }

    fn resume_after_failure(&self, bql: &mut BqlGuard<'_>, stopped: &VmStopped) {
        let run = self.0.shared.run.borrow_mut(bql);
        run.state = stopped.was();
        run.saved = None;
        self.0.shared.changed.notify_all();
    }

    fn has_moved(&self, bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {
        let run = self.0.shared.run.borrow_mut(bql);
        run.state = RunState::PostMigrate;
        run.saved = None;
    }

    /// Sets the state while the source can still keep the machine: a state that KVM refuses leaves
    /// the machine there.
    fn settle(&self, thread: &mut BqlUnlocked, _waiting: &VmWaiting) -> Result<(), SettleError> {
        self.set(&mut thread.lock()).map_err(SettleError::new)
    }

    fn has_arrived(&self, bql: &mut BqlGuard<'_>, arrived: &VmArrived) {
        self.0.shared.run.borrow_mut(bql).state = arrived.at_source();
        self.0.shared.changed.notify_all();
    }
}
