//! The machine of `demo`: one of threads, or one that KVM runs.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod kvm;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use machine::Ram;
use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{Host, RunState};

use crate::cli::{DirtyLog, MachineKind};
use crate::failure::Failure;

/// What the machine is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) kind: MachineKind,
    pub(crate) vcpus: u8,
    pub(crate) dirty_log: DirtyLog,
    /// Seed of the workload, and writes per second of the machine.
    pub(crate) seed: u64,
    pub(crate) rate: u64,
    pub(crate) state: RunState,
}

/// A machine with its host for a migration object.
pub(crate) struct Made {
    pub(crate) host: Host,
    pub(crate) guest: Box<dyn Guest>,
    pub(crate) dirty_log: &'static str,
    /// Why a log that is tried before that one does not work.
    pub(crate) why_not: Option<String>,
}

/// A machine's vCPUs. A user of the machine has it, with none of the rights of a migration.
pub(crate) trait Guest {
    /// Fills memory with the initial contents of the workload, as long as `goes_on` returns `true`.
    fn fill_memory(&self, ram: &Ram, seed: u64, goes_on: &dyn Fn() -> bool);

    fn run_state(&self, bql: &BqlGuard<'_>) -> RunState;

    /// Starts the machine.
    fn cont(&self, bql: &mut BqlGuard<'_>);

    /// Stops the machine.
    fn stop(&self, bql: &mut BqlGuard<'_>);

    /// Returns when the machine stopped last, on the monotonic clock.
    fn stopped_at(&self, bql: &BqlGuard<'_>) -> Duration;

    /// Returns when the machine started last, on the monotonic clock.
    fn started_at(&self, bql: &BqlGuard<'_>) -> Duration;

    /// Returns the number of writes that each vCPU had done when it arrived.
    fn arrived(&self, bql: &BqlGuard<'_>) -> Vec<u64>;

    /// Returns where the vCPUs are. The machine is stopped.
    fn position(&self, bql: &BqlGuard<'_>) -> Result<Position, String>;

    /// Compares all of memory with what it must hold there, and returns the number of pages.
    fn verify_memory(&self, bql: &BqlGuard<'_>) -> Result<usize, String>;

    /// Returns what the machine has printed in this process, if it has a serial port.
    fn printed(&self) -> Option<Vec<u8>> {
        None
    }

    /// Compares what the machine has printed since its start with what it must have printed after
    /// so many writes.
    fn verify_printed(
        &self,
        _bql: &BqlGuard<'_>,
        _printed: &[u8],
        _writes: &[u64],
    ) -> Result<(), String> {
        Ok(())
    }

    /// Returns why the machine is in `internal-error`, if it is known.
    fn failure(&self, _bql: &BqlGuard<'_>) -> Option<String> {
        None
    }

    /// Ends the threads of the vCPUs.
    fn join(self: Box<Self>, thread: &mut BqlUnlocked);
}

/// Where the vCPUs of a machine are.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    /// Number of writes that each has done.
    pub(crate) writes: Vec<u64>,
    /// Number of writes that found an unexpected word.
    pub(crate) faults: u64,
    /// What else the guest found unexpected.
    pub(crate) noticed: Option<String>,
}

impl Position {
    /// Describes what is wrong, if anything is.
    pub(crate) fn wrong(&self) -> Option<String> {
        if self.faults != 0 {
            return Some(format!("{} writes found an unexpected word", self.faults));
        }
        self.noticed.as_ref().map(|noticed| format!("the guest noticed: {noticed}"))
    }
}

impl Plan {
    /// Replaces a machine that cannot be had by the other, and says so.
    ///
    /// # Errors
    ///
    /// If the machine cannot have the dirty log or the number of vCPUs, or KVM is missing and
    /// `LASTREF_REQUIRE_KVM` is 1.
    pub(crate) fn settle(mut self) -> Result<Self, Failure> {
        if let Some(reason) = self.dirty_log.not_for(self.kind) {
            return Err(Failure::Usage(reason));
        }
        if self.kind == MachineKind::Thread && self.vcpus != 1 {
            let reason = "--vcpus is for --machine kvm: the machine of threads has one";
            return Err(Failure::Usage(reason.into()));
        }
        if self.kind == MachineKind::Kvm
            && let Err(source) = available()
        {
            if std::env::var_os("LASTREF_REQUIRE_KVM").is_some_and(|set| set == "1") {
                return Err(source);
            }
            let why = migration::error_chain(&source);
            say!("the machine is one of threads: {why}");
            self.kind = MachineKind::Thread;
            if self.dirty_log.not_for(self.kind).is_some() {
                self.dirty_log = DirtyLog::Auto;
            }
        }
        if self.kind == MachineKind::Thread {
            self.vcpus = 1;
        }
        Ok(self)
    }

    /// Returns what people read of the machine.
    pub(crate) fn name(&self) -> String {
        match (self.kind, self.vcpus) {
            (MachineKind::Thread, _) => "thread".into(),
            (MachineKind::Kvm, 1) => "kvm, 1 vCPU".into(),
            (MachineKind::Kvm, vcpus) => format!("kvm, {vcpus} vCPUs"),
        }
    }

    /// Makes the machine.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or not with its dirty log.
    pub(crate) fn make(&self, thread: &mut BqlUnlocked, ram: Arc<Ram>) -> Result<Made, Failure> {
        match self.kind {
            MachineKind::Thread => threads::make(self, ram),
            MachineKind::Kvm => make_kvm(self, thread, ram),
        }
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
use kvm::{available, make as make_kvm};

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn available() -> Result<(), Failure> {
    let error = std::io::Error::from(std::io::ErrorKind::Unsupported);
    Err(Failure::set_up("a guest under KVM, which needs Linux on x86-64")(error))
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn make_kvm(_plan: &Plan, _thread: &mut BqlUnlocked, _ram: Arc<Ram>) -> Result<Made, Failure> {
    Err(available().err().unwrap_or(Failure::Reported))
}
