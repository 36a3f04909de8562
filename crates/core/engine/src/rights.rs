//! Rights over a machine, as values: the machine is stopped, it waits for its state, or it has
//! arrived.
//!
//! The engine makes each right for one machine and consumes it. A right keeps its machine, so it
//! cannot be used for another. A hook gets the right by reference and cannot keep it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use bql::BqlGuard;

use crate::error::MigrationError;
use crate::host::{Host, Kept, RunState};

/// Proof that the machine is stopped for migration, so that its state may be saved.
///
/// Only the engine makes it, after [`Vm::stop_for_migration`](crate::Vm::stop_for_migration) has
/// returned. Resuming the machine consumes it, and so does the end of a migration that has moved
/// the machine.
#[derive(Debug)]
#[must_use = "the machine stands still until it goes on here or has moved"]
pub struct VmStopped {
    machine: Arc<Host>,
    was: RunState,
}

impl VmStopped {
    /// Stops the machine. A machine that is stopped already stays so.
    ///
    /// # Panics
    ///
    /// If the machine's hook panics. The machine may be stopped then, so the right stays with it.
    pub(crate) fn stop(machine: &Arc<Host>, bql: &mut BqlGuard<'_>) -> Self {
        let was = machine.vm.run_state(bql);
        match catch_unwind(AssertUnwindSafe(|| machine.vm.stop_for_migration(bql))) {
            Ok(was) => VmStopped { machine: Arc::clone(machine), was },
            Err(panic) => {
                machine.keep_first(Kept::Stopped { was });
                resume_unwind(panic)
            }
        }
    }

    /// Stops the machine again after a panic, which may have left the right with the machine.
    ///
    /// # Errors
    ///
    /// If the machine's hook panics. The right stays with the machine.
    pub(crate) fn stop_again(
        machine: &Arc<Host>,
        bql: &mut BqlGuard<'_>,
    ) -> Result<Self, MigrationError> {
        let stopped = catch_unwind(AssertUnwindSafe(|| VmStopped::stop(machine, bql)))
            .map_err(MigrationError::of_panic)?;
        // The run state before the first stop is the one to restore.
        Ok(match machine.take_kept() {
            Some(Kept::Stopped { was }) => VmStopped { was, ..stopped },
            _ => stopped,
        })
    }

    /// Returns the run state before the stop.
    pub fn was(&self) -> RunState {
        self.was
    }

    /// Resumes the machine here.
    ///
    /// # Errors
    ///
    /// If the machine's hook panics. The right then stays with the machine, for
    /// [`MigrationState::cont`](crate::MigrationState::cont).
    pub fn resume(self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        let resumed = hook(|| self.machine.vm.resume_after_failure(bql, &self));
        resumed.inspect_err(|_| self.machine.keep(Kept::Stopped { was: self.was }))
    }

    /// Notifies the machine that it has moved. No right to resume it here is left.
    ///
    /// # Errors
    ///
    /// If the machine's hook panics. The right is gone all the same.
    pub fn has_moved(self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        hook(|| self.machine.vm.has_moved(bql, &self))
    }

    /// Leaves the machine stopped. The right stays with it, for
    /// [`MigrationState::cont`](crate::MigrationState::cont).
    pub(crate) fn keep(self) {
        self.machine.keep(Kept::Stopped { was: self.was });
    }
}

/// Proof that the machine waits for a migration to bring its state, so that its state and its
/// memory may be replaced.
#[derive(Debug)]
#[must_use = "the machine waits until it has arrived"]
pub struct VmWaiting {
    machine: Arc<Host>,
}

impl VmWaiting {
    /// Checks that the machine waits for a migration, and makes the right.
    ///
    /// # Errors
    ///
    /// If the machine is in any other run state.
    pub(crate) fn of(machine: &Arc<Host>, bql: &BqlGuard<'_>) -> Result<Self, MigrationError> {
        match machine.vm.run_state(bql) {
            RunState::InMigrate => Ok(VmWaiting { machine: Arc::clone(machine) }),
            other => Err(MigrationError::NotWaiting { run_state: other.name() }),
        }
    }

    /// Turns the right into [`VmArrived`]: the state is here, and the machine may continue in the
    /// run state `at_source`.
    pub(crate) fn arrived(self, at_source: RunState) -> VmArrived {
        VmArrived { machine: self.machine, at_source }
    }
}

/// Proof that the machine has arrived complete, is nowhere else, and may run.
#[derive(Debug)]
#[must_use = "the machine is here alone, and has to go on"]
pub struct VmArrived {
    machine: Arc<Host>,
    at_source: RunState,
}

impl VmArrived {
    /// Makes the right again for a machine that had arrived before a panic lost its right.
    pub(crate) fn after_panic(machine: &Arc<Host>, at_source: RunState) -> Self {
        VmArrived { machine: Arc::clone(machine), at_source }
    }

    /// Returns the run state that the machine had at the source, in which it continues.
    pub fn at_source(&self) -> RunState {
        self.at_source
    }

    /// Starts the machine.
    ///
    /// # Errors
    ///
    /// If the machine's hook panics. The right then stays with the machine, for
    /// [`MigrationState::cont`](crate::MigrationState::cont).
    pub fn start(self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        let started = hook(|| self.machine.vm.has_arrived(bql, &self));
        started.inspect_err(|_| self.machine.keep(Kept::Arrived { at_source: self.at_source }))
    }
}

/// Calls a hook of the machine, and returns a panic in it as an error.
fn hook(call: impl FnOnce()) -> Result<(), MigrationError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(MigrationError::of_panic)
}

impl Host {
    /// Resumes a machine that a migration left stopped, by the right that it left behind.
    ///
    /// # Errors
    ///
    /// If there is no such right, or the machine's hook panics. The machine then stays as it is.
    pub(crate) fn resume_kept(
        self: &Arc<Self>,
        bql: &mut BqlGuard<'_>,
    ) -> Result<(), MigrationError> {
        let machine = Arc::clone(self);
        // The hook may release the BQL. Until it has returned, or the right is back, the place is
        // marked as lent, so another caller does not find the right.
        match self.lend_kept().ok_or(MigrationError::NothingKept)? {
            Kept::Stopped { was } => VmStopped { machine, was }.resume(bql)?,
            Kept::Arrived { at_source } => VmArrived { machine, at_source }.start(bql)?,
        }
        self.take_kept();
        Ok(())
    }

    /// Gives up the right that a migration left behind, because the machine runs at its
    /// destination.
    ///
    /// # Errors
    ///
    /// If there is no right to a machine that was sent, or the machine's hook panics. After a panic
    /// the right is gone all the same.
    pub(crate) fn give_up(self: &Arc<Self>, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        match self.lend_kept().ok_or(MigrationError::NothingKept)? {
            Kept::Stopped { was } => {
                let moved = VmStopped { machine: Arc::clone(self), was }.has_moved(bql);
                self.take_kept();
                moved
            }
            arrived @ Kept::Arrived { .. } => {
                self.keep(arrived);
                Err(MigrationError::NothingKept)
            }
        }
    }
}
