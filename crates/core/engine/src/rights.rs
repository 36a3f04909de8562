//! Rights over a machine, as values: it is stopped, it waits for its state, it has arrived.
//!
//! The engine makes each of them for one machine and consumes it. A right keeps its machine, so
//! that it cannot be used for another one; a hook is lent the right and cannot keep it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use bql::BqlGuard;

use crate::error::MigrationError;
use crate::host::{Host, Kept, RunState};

/// Proof that the machine is stopped for migration, so that its state may be saved.
///
/// Only the engine makes it, after [`Vm::stop_for_migration`](crate::Vm::stop_for_migration) has
/// returned. Letting the machine go on consumes it, and so does the end of a migration that has
/// moved it.
#[derive(Debug)]
#[must_use = "the machine stands still until it goes on here or has moved"]
pub struct VmStopped {
    machine: Arc<Host>,
    was: RunState,
}

impl VmStopped {
    /// Stops the machine. One that is stopped already stays so.
    ///
    /// # Panics
    ///
    /// If its hook does. The machine may be stopped then, so the right is left with it.
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

    /// Stops the machine again after a panic, which may have left the right to it with it.
    ///
    /// # Errors
    ///
    /// If its hook panics. The right stays with the machine.
    pub(crate) fn stop_again(
        machine: &Arc<Host>,
        bql: &mut BqlGuard<'_>,
    ) -> Result<Self, MigrationError> {
        let stopped = catch_unwind(AssertUnwindSafe(|| VmStopped::stop(machine, bql)))
            .map_err(MigrationError::of_panic)?;
        // What it did before the first time is what counts.
        Ok(match machine.take_kept() {
            Some(Kept::Stopped { was }) => VmStopped { was, ..stopped },
            _ => stopped,
        })
    }

    /// Returns what the machine did before.
    pub fn was(&self) -> RunState {
        self.was
    }

    /// Lets the machine go on here.
    ///
    /// # Errors
    ///
    /// If its hook panics. The right then stays with the machine, for
    /// [`MigrationState::cont`](crate::MigrationState::cont).
    pub fn resume(self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        let resumed = hook(|| self.machine.vm.resume_after_failure(bql, &self));
        resumed.inspect_err(|_| self.machine.keep(Kept::Stopped { was: self.was }))
    }

    /// Tells the machine that it has moved. No right to let it go on here is left.
    ///
    /// # Errors
    ///
    /// If its hook panics. The right is gone all the same.
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
    /// # Errors
    ///
    /// If the machine does something else than wait.
    pub(crate) fn of(machine: &Arc<Host>, bql: &BqlGuard<'_>) -> Result<Self, MigrationError> {
        match machine.vm.run_state(bql) {
            RunState::InMigrate => Ok(VmWaiting { machine: Arc::clone(machine) }),
            other => Err(MigrationError::NotWaiting { run_state: other.name() }),
        }
    }

    /// The state is here: the machine may do what it did at the source.
    pub(crate) fn arrived(self, at_source: RunState) -> VmArrived {
        VmArrived { machine: self.machine, at_source }
    }
}

/// Proof that the machine has arrived whole, is nowhere else, and may go on.
#[derive(Debug)]
#[must_use = "the machine is here alone, and has to go on"]
pub struct VmArrived {
    machine: Arc<Host>,
    at_source: RunState,
}

impl VmArrived {
    /// Remakes the right to a machine of which a panic lost it after it had arrived.
    pub(crate) fn after_panic(machine: &Arc<Host>, at_source: RunState) -> Self {
        VmArrived { machine: Arc::clone(machine), at_source }
    }

    /// Returns what the machine did at the source, which it goes on with.
    pub fn at_source(&self) -> RunState {
        self.at_source
    }

    /// Lets the machine go on.
    ///
    /// # Errors
    ///
    /// If its hook panics. The right then stays with the machine, for
    /// [`MigrationState::cont`](crate::MigrationState::cont).
    pub fn start(self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        let started = hook(|| self.machine.vm.has_arrived(bql, &self));
        started.inspect_err(|_| self.machine.keep(Kept::Arrived { at_source: self.at_source }))
    }
}

/// Calls a hook of the machine; a panic in it is an error.
fn hook(call: impl FnOnce()) -> Result<(), MigrationError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(MigrationError::of_panic)
}

impl Host {
    /// Lets a machine go on that a migration left stopped, by the right that it left behind.
    ///
    /// # Errors
    ///
    /// If there is no such right, or the machine's hook panics. It then stays as it is.
    pub(crate) fn go_on(self: &Arc<Self>, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        let machine = Arc::clone(self);
        // The hook may release the BQL. Until it has returned, or the right is back in its place,
        // the place says that it is out.
        match self.lend_kept().ok_or(MigrationError::NothingKept)? {
            Kept::Stopped { was } => VmStopped { machine, was }.resume(bql)?,
            Kept::Arrived { at_source } => VmArrived { machine, at_source }.start(bql)?,
        }
        self.take_kept();
        Ok(())
    }

    /// Gives up the right that a migration left behind: the machine runs at its destination.
    ///
    /// # Errors
    ///
    /// If there is no right to a machine that was sent, or the machine's hook panics. The right is
    /// gone all the same then.
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
