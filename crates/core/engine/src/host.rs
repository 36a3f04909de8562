//! The machine as the engine sees it: its processors, its RAM blocks and its devices.
//!
//! QEMU finds these in globals (`ram_list`, `savevm_state`, the run state). Here the migration
//! object gets them when it is made. The signature of each hook states whether it runs with the BQL
//! held, which QEMU documents in `include/migration/register.h`.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bql::{BqlGuard, BqlUnlocked};
use wire::vmstate::{self, VmState};
use wire::{DecodeError, Decoder, IdStr, SectionHeader, Uuid, vmdesc};

use crate::error::{MigrationError, RestoreError};
use crate::life::Life;
use crate::memory::RamBlock;
use crate::progress::Observer;
use crate::rights::{VmArrived, VmStopped, VmWaiting};
use crate::transport::ChannelReader;

/// The run state of a machine (`RunState` of `qapi/run-state.json`, as far as needed here).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Not started yet.
    Prelaunch,
    /// Waiting for a migration to bring its state.
    InMigrate,
    /// Running.
    Running,
    /// Stopped by its user.
    Paused,
    /// Stopped for the last part of a migration.
    FinishMigrate,
    /// Stopped because of an internal error.
    InternalError,
    /// Stopped because it has moved away.
    PostMigrate,
}

impl RunState {
    /// Returns QAPI's name, which the section `globalstate` also carries.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Prelaunch => "prelaunch",
            RunState::InMigrate => "inmigrate",
            RunState::Running => "running",
            RunState::Paused => "paused",
            RunState::FinishMigrate => "finish-migrate",
            RunState::InternalError => "internal-error",
            RunState::PostMigrate => "postmigrate",
        }
    }

    /// Returns the run state for a machine that was in the state `name` at its source. A source
    /// state that this engine does not have becomes `Paused`, because such a machine is stopped for
    /// some reason.
    pub(crate) fn of_source(name: &str) -> Option<Self> {
        match name {
            "running" => Some(RunState::Running),
            "prelaunch" => Some(RunState::Prelaunch),
            "paused" | "debug" | "inmigrate" | "internal-error" | "io-error" | "finish-migrate"
            | "postmigrate" | "restore-vm" | "save-vm" | "shutdown" | "suspended" | "watchdog"
            | "guest-panicked" | "colo" => Some(RunState::Paused),
            _ => None,
        }
    }
}

/// The processors of a machine.
///
/// The value belongs to a [`Host`], and only the engine calls it, in the right order: it resumes a
/// machine only by a right that permits it. So implement the trait for a type with one value per
/// machine, not for a handle that can be cloned.
pub trait Vm: Send + Sync {
    /// Returns the current run state.
    fn run_state(&self, bql: &BqlGuard<'_>) -> RunState;

    /// Stops the machine for the last part of a migration and returns the run state before
    /// (`migration_stop_vm`). When it returns, no vCPU writes to memory or device state, and only
    /// the functions below change that. It may release the BQL while it waits for the vCPUs. A
    /// machine that is stopped in this way already stays so.
    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState;

    /// Puts the machine back into the run state that it had before it was stopped.
    fn resume_after_failure(&self, bql: &mut BqlGuard<'_>, stopped: &VmStopped);

    /// Records that the machine has moved and stays stopped here.
    fn has_moved(&self, bql: &mut BqlGuard<'_>, stopped: &VmStopped);

    /// Makes the received machine durable before the source learns that it has arrived: for
    /// example, gives a file its name. It may block.
    ///
    /// # Errors
    ///
    /// If that fails. The machine then stays at its source.
    fn settle(&self, thread: &mut BqlUnlocked, waiting: &VmWaiting) -> Result<(), SettleError> {
        let _ = (thread, waiting);
        Ok(())
    }

    /// Continues the machine, which has arrived complete, in the run state that it had at the
    /// source.
    fn has_arrived(&self, bql: &mut BqlGuard<'_>, arrived: &VmArrived);
}

/// The reason why a received machine cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SettleError(Box<dyn Error + Send + Sync>);

impl SettleError {
    /// Wraps the machine's own reason.
    pub fn new(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        SettleError(reason.into())
    }
}

/// A device whose state is migrated. Its state is a separate type, never the live device.
pub trait Device: Send + Sync + 'static {
    /// The state that is sent.
    type State: VmState + Clone + Send + 'static;

    /// Copies the state. The BQL is held, and the machine is stopped.
    fn save(&self, bql: &BqlGuard<'_>, stopped: &VmStopped) -> Self::State;

    /// Puts a received state into the device. The machine does not run yet.
    ///
    /// # Errors
    ///
    /// If the device cannot be in that state.
    fn restore(
        &self,
        bql: &mut BqlGuard<'_>,
        state: Self::State,
        waiting: &VmWaiting,
    ) -> Result<(), RestoreError>;
}

/// A device with the type of its state erased.
pub(crate) trait AnyDevice: Send + Sync {
    fn version_id(&self) -> u32;

    fn save(
        &self,
        bql: &BqlGuard<'_>,
        stopped: &VmStopped,
        out: &mut Vec<u8>,
    ) -> vmdesc::DeviceDescription;

    /// Reads the state from the stream without the BQL. The returned value puts it in place.
    fn load(
        self: Arc<Self>,
        input: &mut Decoder<ChannelReader<'_>>,
        version: u32,
    ) -> Result<Box<dyn Restore>, DecodeError>;
}

/// A received device state that is not in place yet.
pub(crate) trait Restore: Send {
    fn restore(
        self: Box<Self>,
        bql: &mut BqlGuard<'_>,
        waiting: &VmWaiting,
    ) -> Result<(), RestoreError>;
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
            fn restore(
                self: Box<Self>,
                bql: &mut BqlGuard<'_>,
                waiting: &VmWaiting,
            ) -> Result<(), RestoreError> {
                self.0.restore(bql, self.1, waiting)
            }
        }
        let state = vmstate::load(input, version)?;
        Ok(Box::new(Received(self, state)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A registered device: QEMU's `SaveStateEntry`.
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

/// A machine that can be migrated. Only the engine reaches its parts, and each part has one owner.
///
/// Several migration objects may be made for one machine (`Arc<Host>`), and each can be queried.
/// The machine belongs to at most one of them: the first that is published, begins to migrate or
/// resumes the machine. It belongs to that object until the object's last count is gone, and the
/// others cannot migrate it meanwhile.
///
/// A right that a migration left behind ([`MigrationState::cont`](crate::MigrationState::cont))
/// stays with this value. Keep an `Arc` of it if the object may be dropped first.
pub struct Host {
    pub(crate) machine: String,
    pub(crate) uuid: Option<Uuid>,
    pub(crate) vm: Box<dyn Vm>,
    pub(crate) ram: Vec<RamBlock>,
    pub(crate) devices: Vec<DeviceEntry>,
    owner: Mutex<Option<Owner>>,
    kept: Mutex<Place>,
}

/// The location of the right that a migration left with its machine.
#[derive(Debug, Clone, Copy, Default)]
enum Place {
    /// No migration left one.
    #[default]
    Empty,
    Holds(Kept),
    /// A hook that resumes the machine has it now.
    Lent,
}

/// The right that a migration left with its machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kept {
    /// The machine was stopped, and may resume here if it does not run elsewhere.
    Stopped { was: RunState },
    /// The machine has arrived, and was not started.
    Arrived { at_source: RunState },
}

/// Information about the object that a machine belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) outgoing: Observer,
    pub(crate) incoming: Observer,
    pub(crate) life: Life,
}

impl Owner {
    fn is(&self, other: &Owner) -> bool {
        self.life.is(&other.life)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outgoing, incoming) = (self.outgoing.status(), self.incoming.status());
        let place = if self.life.is_retired() { ", which was shut down" } else { "" };
        write!(f, "another migration object (outgoing: {outgoing}, incoming: {incoming}){place}")?;
        match self.life.holders() {
            holders if holders.is_empty() => Ok(()),
            holders => write!(f, " and is held by {}", holders.join(", ")),
        }
    }
}

/// Keeps a machine in the possession of an object for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Possession {
    machine: Arc<Host>,
}

impl Drop for Possession {
    fn drop(&mut self) {
        *lock(&self.machine.owner) = None;
    }
}

/// The reason why a machine cannot be described in a migration stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Two blocks have the same name.
    #[error("two RAM blocks are called `{0}`")]
    SameBlock(IdStr),
    /// Two devices have the same name and instance.
    #[error("two devices are called `{0}` instance {1}")]
    SameDevice(IdStr, u32),
}

impl Host {
    /// Makes a machine of the type `machine` without RAM and devices.
    pub fn new(machine: impl Into<String>, vm: impl Vm + 'static) -> Self {
        Host {
            machine: machine.into(),
            uuid: None,
            vm: Box::new(vm),
            ram: Vec::new(),
            devices: Vec::new(),
            owner: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Makes the machine belong to `owner`.
    ///
    /// # Errors
    ///
    /// If it belongs to another object, which the error describes.
    pub(crate) fn possess(self: &Arc<Self>, owner: Owner) -> Result<Possession, MigrationError> {
        let mut place = lock(&self.owner);
        if let Some(other) = place.as_ref().filter(|other| !other.is(&owner)) {
            return Err(MigrationError::Possessed { by: other.to_string() });
        }
        *place = Some(owner);
        Ok(Possession { machine: Arc::clone(self) })
    }

    pub(crate) fn keep(&self, right: Kept) {
        *lock(&self.kept) = Place::Holds(right);
    }

    /// Keeps `right` if none is kept.
    pub(crate) fn keep_first(&self, right: Kept) {
        let mut place = lock(&self.kept);
        if matches!(*place, Place::Empty) {
            *place = Place::Holds(right);
        }
    }

    /// Takes the right permanently.
    pub(crate) fn take_kept(&self) -> Option<Kept> {
        match std::mem::take(&mut *lock(&self.kept)) {
            Place::Holds(right) => Some(right),
            Place::Empty | Place::Lent => None,
        }
    }

    /// Takes the right, and marks it as lent.
    pub(crate) fn lend_kept(&self) -> Option<Kept> {
        let mut place = lock(&self.kept);
        let Place::Holds(right) = *place else { return None };
        *place = Place::Lent;
        Some(right)
    }

    /// Checks that no migration left the machine stopped.
    ///
    /// # Errors
    ///
    /// If a migration left the machine stopped, and nothing has resumed it since.
    pub(crate) fn check_nothing_kept(&self) -> Result<(), MigrationError> {
        match *lock(&self.kept) {
            Place::Empty => Ok(()),
            Place::Holds(_) | Place::Lent => Err(MigrationError::KeptStopped),
        }
    }

    /// Checks that a migration left a right to resume the machine.
    ///
    /// # Errors
    ///
    /// If there is no such right.
    pub(crate) fn check_kept(&self) -> Result<(), MigrationError> {
        match *lock(&self.kept) {
            Place::Holds(_) => Ok(()),
            Place::Empty | Place::Lent => Err(MigrationError::NothingKept),
        }
    }

    /// Sets the machine's UUID (`-uuid`), which each multifd channel sends. QEMU rejects a channel
    /// whose UUID differs from its own machine's; a machine of this engine without a UUID accepts
    /// any.
    pub fn uuid(mut self, uuid: impl Into<Option<Uuid>>) -> Self {
        self.uuid = uuid.into();
        self
    }

    /// Adds a RAM block.
    ///
    /// # Errors
    ///
    /// If there is already a block of this name.
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
    /// If there is already a device of this name and instance.
    pub fn device(
        mut self,
        idstr: IdStr,
        instance_id: u32,
        device: impl Device,
    ) -> Result<Self, HostError> {
        if self.find_device(idstr.as_str(), instance_id).is_some() {
            return Err(HostError::SameDevice(idstr, instance_id));
        }
        self.devices.push(DeviceEntry { idstr, instance_id, device: Arc::new(device) });
        Ok(self)
    }

    pub(crate) fn find_device(&self, idstr: &str, instance_id: u32) -> Option<&DeviceEntry> {
        self.devices
            .iter()
            .find(|entry| entry.idstr.as_str() == idstr && entry.instance_id == instance_id)
    }

    /// Returns the bytes of RAM.
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
