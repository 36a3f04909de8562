//! The machine as the engine sees it: what can be stopped, the RAM blocks, the devices.
//!
//! QEMU finds these in globals (`ram_list`, `savevm_state`, the run state). Here they are
//! handed over when the migration object is made. Each hook says in its signature what QEMU
//! says in `include/migration/register.h`: whether it runs with the BQL held.

use std::fmt;
use std::sync::Arc;

use bql::BqlGuard;
use wire::vmstate::{self, VmState};
use wire::{DecodeError, Decoder, IdStr, SectionHeader, vmdesc};

use crate::channel::ChannelReader;
use crate::error::RestoreError;
use crate::ram::RamBlock;

/// What a machine does now (`RunState` of `qapi/run-state.json`, as far as needed here).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Not started yet.
    Prelaunch,
    /// Waits for a migration to bring its state.
    InMigrate,
    /// Runs.
    Running,
    /// Stopped by its user.
    Paused,
    /// Stopped for the last part of a migration.
    FinishMigrate,
    /// Has moved away.
    PostMigrate,
}

impl RunState {
    /// QAPI's name, which also goes into the section `globalstate`.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Prelaunch => "prelaunch",
            RunState::InMigrate => "inmigrate",
            RunState::Running => "running",
            RunState::Paused => "paused",
            RunState::FinishMigrate => "finish-migrate",
            RunState::PostMigrate => "postmigrate",
        }
    }

    /// What a machine that was in the state `name` at its source shall do: a source in any
    /// state that this engine does not have stands still for some reason, so `Paused`.
    pub(crate) fn of_source(name: &str) -> Option<Self> {
        match name {
            "running" => Some(RunState::Running),
            "prelaunch" => Some(RunState::Prelaunch),
            "postmigrate" => Some(RunState::PostMigrate),
            "paused" | "debug" | "inmigrate" | "internal-error" | "io-error" | "finish-migrate"
            | "restore-vm" | "save-vm" | "shutdown" | "suspended" | "watchdog"
            | "guest-panicked" | "colo" => Some(RunState::Paused),
            _ => None,
        }
    }
}

/// The processors of a machine.
pub trait Vm: Send + Sync {
    /// Stops the machine for the last part of a migration and returns what it did before
    /// (`migration_stop_vm`). When it returns, no vCPU writes to memory or device state, and
    /// nothing but the two functions below changes that. May release the BQL while it waits
    /// for the vCPUs. A machine that is stopped so already stays so.
    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState;

    /// Makes the machine do again what it did before it was stopped.
    fn resume_after_failure(&self, bql: &mut BqlGuard<'_>, stopped: VmStopped);

    /// The machine has moved and stays stopped here.
    fn has_moved(&self, bql: &mut BqlGuard<'_>, stopped: VmStopped);

    /// The machine has arrived whole: it goes on with what it did at the source.
    fn has_arrived(&self, bql: &mut BqlGuard<'_>, at_source: RunState);
}

/// Proof that the machine is stopped for migration. Only the engine makes it, after
/// [`Vm::stop_for_migration`] has returned, and letting the machine go on consumes it.
#[derive(Debug)]
#[must_use = "the machine stands still until it goes on here or has moved"]
pub struct VmStopped {
    was: RunState,
}

impl VmStopped {
    pub(crate) fn stop(vm: &dyn Vm, bql: &mut BqlGuard<'_>) -> Self {
        VmStopped { was: vm.stop_for_migration(bql) }
    }

    /// What the machine did before.
    pub fn was(&self) -> RunState {
        self.was
    }
}

/// A device whose state moves. Its state is a type of its own, never the live device.
pub trait Device: Send + Sync + 'static {
    /// What is sent.
    type State: VmState + Clone + Send + 'static;

    /// Takes a copy of the state. The BQL is held, and the machine stands still.
    fn save(&self, bql: &BqlGuard<'_>, stopped: &VmStopped) -> Self::State;

    /// Puts a state that was received into the device. The machine does not run yet.
    ///
    /// # Errors
    ///
    /// If the device cannot be in that state.
    fn restore(&self, bql: &mut BqlGuard<'_>, state: Self::State) -> Result<(), RestoreError>;
}

/// A device without the type of its state.
pub(crate) trait AnyDevice: Send + Sync {
    fn version_id(&self) -> u32;

    fn save(
        &self,
        bql: &BqlGuard<'_>,
        stopped: &VmStopped,
        out: &mut Vec<u8>,
    ) -> vmdesc::DeviceDescription;

    /// Reads the state off the stream without the BQL; what is returned puts it in place.
    fn load(
        self: Arc<Self>,
        input: &mut Decoder<ChannelReader<'_>>,
        version: u32,
    ) -> Result<Box<dyn Restore>, DecodeError>;
}

/// A device state that was received and is not in place yet.
pub(crate) trait Restore: Send {
    fn restore(self: Box<Self>, bql: &mut BqlGuard<'_>) -> Result<(), RestoreError>;
}

impl<D: Device> AnyDevice for D {
    fn version_id(&self) -> u32 {
        D::State::VERSION
    }

    fn save(
        &self,
        bql: &BqlGuard<'_>,
        stopped: &VmStopped,
        out: &mut Vec<u8>,
    ) -> vmdesc::DeviceDescription {
        vmstate::save(&Device::save(self, bql, stopped), out)
    }

    fn load(
        self: Arc<Self>,
        input: &mut Decoder<ChannelReader<'_>>,
        version: u32,
    ) -> Result<Box<dyn Restore>, DecodeError> {
        struct Received<D: Device>(Arc<D>, D::State);
        impl<D: Device> Restore for Received<D> {
            fn restore(self: Box<Self>, bql: &mut BqlGuard<'_>) -> Result<(), RestoreError> {
                self.0.restore(bql, self.1)
            }
        }
        let state = vmstate::load(input, version)?;
        Ok(Box::new(Received(self, state)))
    }
}

/// A registered device: QEMU's `SaveStateEntry`.
#[derive(Clone)]
pub(crate) struct DeviceEntry {
    pub(crate) idstr: IdStr,
    pub(crate) instance_id: u32,
    pub(crate) device: Arc<dyn AnyDevice>,
}

impl DeviceEntry {
    pub(crate) fn header(&self, section_id: u32) -> SectionHeader {
        SectionHeader {
            section_id,
            idstr: self.idstr.clone(),
            instance_id: self.instance_id,
            version_id: self.device.version_id(),
        }
    }
}

/// A machine, as it is handed to a migration object. It cannot be copied: a machine that two
/// objects moved would be stopped by one and let go by the other.
pub struct Host {
    pub(crate) machine: String,
    pub(crate) vm: Arc<dyn Vm>,
    pub(crate) ram: Vec<RamBlock>,
    pub(crate) devices: Vec<DeviceEntry>,
}

/// A machine that cannot be described in a migration stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Two blocks of one name.
    #[error("two RAM blocks are called `{0}`")]
    SameBlock(IdStr),
    /// Two devices of one name and instance.
    #[error("two devices are called `{0}` instance {1}")]
    SameDevice(IdStr, u32),
}

impl Host {
    /// A machine of the type `machine` without RAM and devices.
    pub fn new(machine: impl Into<String>, vm: Arc<dyn Vm>) -> Self {
        Host { machine: machine.into(), vm, ram: Vec::new(), devices: Vec::new() }
    }

    /// Adds a RAM block.
    ///
    /// # Errors
    ///
    /// If there is a block of this name.
    pub fn ram_block(mut self, block: RamBlock) -> Result<Self, HostError> {
        if self.ram.iter().any(|other| other.idstr() == block.idstr()) {
            return Err(HostError::SameBlock(block.idstr().clone()));
        }
        self.ram.push(block);
        Ok(self)
    }

    /// Adds a device under the name of its section.
    ///
    /// # Errors
    ///
    /// If there is a device of this name and instance.
    pub fn device(
        mut self,
        idstr: IdStr,
        instance_id: u32,
        device: Arc<impl Device>,
    ) -> Result<Self, HostError> {
        if self.find_device(idstr.as_str(), instance_id).is_some() {
            return Err(HostError::SameDevice(idstr, instance_id));
        }
        self.devices.push(DeviceEntry { idstr, instance_id, device });
        Ok(self)
    }

    pub(crate) fn find_device(&self, idstr: &str, instance_id: u32) -> Option<&DeviceEntry> {
        self.devices
            .iter()
            .find(|entry| entry.idstr.as_str() == idstr && entry.instance_id == instance_id)
    }

    /// Bytes of RAM.
    pub(crate) fn ram_bytes(&self) -> u64 {
        self.ram.iter().map(RamBlock::used_length).sum()
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("machine", &self.machine)
            .field("ram", &self.ram)
            .finish_non_exhaustive()
    }
}
