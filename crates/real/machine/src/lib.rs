//! A small virtual machine that can be migrated while it runs. It represents the code outside
//! migration, and uses only the face in [`migration`].
//!
//! Its one virtual CPU runs a [`Workload`] whose every write can be checked afterwards. Its memory
//! is anonymous or a file. The kernel tracks writes, or software does where the kernel cannot
//! ([`DirtyTracking`]). [`NoVm`] is QEMU's `-M none`.
//!
//! ```
//! use std::sync::Arc;
//!
//! use machine::{DirtyTracking, Ram, Vcpu, VcpuState, Workload, running_machine};
//! use migration::RunState;
//! use migration::bql::BqlUnlocked;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ram = Arc::new(Ram::anonymous(1 << 20)?);
//! let (tracking, _) = DirtyTracking::choose(&ram);
//! let cpu = VcpuState { pages: 256, rate: 100_000, ..VcpuState::default() };
//! Vcpu::fill_memory(&ram, Workload::new(cpu.seed, 256), || true);
//! let (_host, running) = running_machine(ram, tracking, cpu, RunState::Paused)?;
//! let vcpu = running.vcpu().clone();
//!
//! let mut thread = BqlUnlocked::attach()?;
//! vcpu.cont(&mut thread.lock());
//! let mut bql = thread.lock();
//! vcpu.stop(&mut bql);
//! let stopped = vcpu.state(&bql);
//! vcpu.verify_memory(stopped)?; // no write was lost or repeated
//! drop(bql);
//! running.join(&mut thread);
//! # Ok(())
//! # }
//! ```
//!
//! # Caveats
//!
//! It executes no guest code: the virtual CPU is a thread that stores to memory. It runs on Linux
//! only.
//!
//! # Alternatives
//!
//! Any [`Vm`](migration::Vm) with its [`GuestMemory`](migration::GuestMemory) and
//! [`DirtyLog`](migration::DirtyLog) can be migrated. To move a real guest, write those for its
//! monitor.

mod dirty;
mod none;
mod pagemap;
mod ram;
mod tracking;
mod untouched;
mod userfault;
mod vcpu;
mod workload;
mod write_protect;

use std::sync::Arc;

use migration::{Host, HostError, RamBlock, RamSizeError, RunState};
use wire::vmstate::{CpuTimers, VmState};
use wire::{IdStr, IdStrError};

use vcpu::Hooks;

pub use dirty::{Marker, NeverDirty};
pub use none::{NoVm, Timers};
pub use ram::Ram;
pub use tracking::DirtyTracking;
pub use vcpu::{Vcpu, VcpuError, VcpuState, VcpuThread, monotonic};
pub use workload::{Mismatch, Page, Verified, Workload, Write};

/// The name of the one RAM block, QEMU's for `-M none`.
pub const RAM_BLOCK: &str = "ram";

/// The machine type of [`running_machine`].
pub const MACHINE_TYPE: &str = "lastref";

/// An error of making a machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The size of the memory is not that of a RAM block.
    #[error(transparent)]
    RamSize(#[from] RamSizeError),
    /// A name cannot be a section name.
    #[error(transparent)]
    IdStr(#[from] IdStrError),
    /// Two parts of the machine have the same name.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The memory already belongs to a machine.
    #[error("this memory belongs to another machine")]
    MemoryTaken,
    /// The dirty log tracks other memory, so it would find none of the writes.
    #[error("the dirty log tracks other memory")]
    OtherMemory,
    /// The thread of the vCPU cannot be created.
    #[error(transparent)]
    Vcpu(#[from] VcpuError),
}

/// Makes a machine with one vCPU, in run state `state`. Returns the host for a migration object,
/// and the vCPU on its thread.
///
/// # Errors
///
/// If the memory belongs to another machine, if `tracking` is a log of other memory, or if the
/// thread of the vCPU cannot be created.
pub fn running_machine(
    ram: Arc<Ram>,
    tracking: DirtyTracking,
    cpu: VcpuState,
    state: RunState,
) -> Result<(Host, VcpuThread), MachineError> {
    if !tracking.is_of(&ram) {
        return Err(MachineError::OtherMemory);
    }
    ram.put_into_machine()?;
    let vcpu = Vcpu::new(Arc::clone(&ram), tracking.marker(), cpu, state);
    let block = RamBlock::new(IdStr::new(RAM_BLOCK)?, ram, Box::new(tracking))?;
    let host = Host::new(MACHINE_TYPE, Hooks(vcpu.clone())).ram_block(block)?.device(
        IdStr::new(VcpuState::NAME)?,
        0,
        Hooks(vcpu.clone()),
    )?;
    Ok((host, vcpu.start()?))
}

/// Makes QEMU's `-M none` with one block of RAM.
///
/// # Errors
///
/// If the memory belongs to another machine.
pub fn machine_none(vm: NoVm, ram: Arc<Ram>) -> Result<Host, MachineError> {
    ram.put_into_machine()?;
    let block = RamBlock::new(IdStr::new(RAM_BLOCK)?, ram, Box::new(NeverDirty))?;
    let timers = IdStr::new(CpuTimers::NAME)?;
    Ok(Host::new("none", vm).ram_block(block)?.device(timers, 0, Timers::default())?)
}
