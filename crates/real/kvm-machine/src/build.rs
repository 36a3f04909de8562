//! Making a machine.

use std::io::Write;
use std::sync::Arc;

use kvm_ioctls::Kvm;
use machine::{RAM_BLOCK, Ram};
use migration::bql::BqlUnlocked;
use migration::{GuestMemory, Host, PAGE_WORDS, RamBlock, RunState};
use wire::IdStr;

use crate::devices::Devices;
use crate::error::KvmError;
use crate::layout::{MAX_VCPUS, MOST_RAM, bytes, program_bytes};
use crate::log::ring::{ENTRIES, Rings};
use crate::log::{HostStores, Log, LogKind, bitmap};
use crate::program::{Image, Task};
use crate::sections::SectionOf;
use crate::share::Share;
use crate::start;
use crate::state::vcpu::VcpuState;
use crate::state::vm::{ClockState, IrqchipState, PitState};
use crate::state::{DoorbellState, GuestState, SerialPortState};
use crate::vcpus::{Hooks, Parts, VcpuThreads, Vcpus};
use crate::vm::{KvmVm, PROGRAM_SLOT, RAM_SLOT, open};

/// The machine type of [`kvm_machine`].
pub const MACHINE_TYPE: &str = "lastref-kvm";

/// The name of the block with the guest's code and tables. The other is
/// [`RAM_BLOCK`].
pub const PROGRAM_BLOCK: &str = "program";

/// Lines a second on the serial port.
const LINES_HZ: u64 = 50;
/// The guest's shortest sleep, as a frequency.
const SLEEPS_HZ: u64 = 1000;
/// The longest delay that the guest catches up on, as a frequency.
const CATCH_UP_HZ: u64 = 20;

/// What a machine is made of.
pub struct Setup {
    /// Number of vCPUs, at most [`MAX_VCPUS`].
    pub vcpus: usize,
    /// Seed of the workload. A machine that waits for a migration gets the source's.
    pub seed: u64,
    /// Writes per second of each vCPU; 0 for none, and `u64::MAX` for as many as it can.
    pub rate: u64,
    /// The dirty log; the first that works if there is no choice.
    pub log: Option<LogKind>,
    /// Maximum number of entries of a vCPU's dirty ring, a power of two.
    pub ring_entries: u32,
    /// Where the serial port prints to. A vCPU waits while this blocks.
    pub serial: Box<dyn Write + Send>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            vcpus: 1,
            seed: 0,
            rate: 0,
            log: None,
            ring_entries: ENTRIES,
            serial: Box::new(std::io::sink()),
        }
    }
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("vcpus", &self.vcpus)
            .field("seed", &self.seed)
            .field("rate", &self.rate)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// A machine whose vCPUs run.
#[derive(Debug)]
#[must_use = "the vCPUs run until they are joined"]
pub struct KvmMachine {
    /// The machine for a migration object.
    pub host: Host,
    /// The vCPUs on their threads.
    pub running: VcpuThreads,
    /// The kind of its dirty log.
    pub log: LogKind,
    /// The kinds that were tried first, and why they do not work.
    pub refused: Vec<KvmError>,
}

/// Checks that `/dev/kvm` can be used.
///
/// # Errors
///
/// If it is not there, or this process may not use it.
pub fn available() -> Result<(), KvmError> {
    open().map(drop)
}

/// Fills memory with the initial contents of the guest's workload, as long as `goes_on` returns
/// `true`.
pub fn fill_memory(ram: &Ram, seed: u64, vcpus: usize, goes_on: impl Fn() -> bool) {
    for index in 0..vcpus {
        Share::of(ram, vcpus, index).fill(ram, seed, &goes_on);
    }
}

/// Makes a machine with this memory, in run state `state`. Memory that is filled afterwards has
/// huge pages, if the kernel has them.
///
/// # Errors
///
/// If KVM is not there or refuses something, or the memory belongs to another machine.
pub fn kvm_machine(
    thread: &mut BqlUnlocked,
    ram: Arc<Ram>,
    setup: Setup,
    state: RunState,
) -> Result<KvmMachine, KvmError> {
    build(thread, ram, setup, state, HostStores::Marked)
}

/// Makes a machine as [`kvm_machine`] does, whose devices mark their stores or do not.
pub(crate) fn build(
    thread: &mut BqlUnlocked,
    ram: Arc<Ram>,
    mut setup: Setup,
    state: RunState,
    stores: HostStores,
) -> Result<KvmMachine, KvmError> {
    let (ram_bytes, pages) = (bytes(&ram), ram.words().len() / PAGE_WORDS);
    if ram_bytes > MOST_RAM {
        return Err(KvmError::TooLarge { bytes: ram_bytes });
    }
    let vcpus = setup.vcpus;
    if !(1..=MAX_VCPUS).contains(&vcpus) || vcpus > pages {
        return Err(KvmError::Vcpus { vcpus });
    }
    let kvm = open()?;
    ram.prefer_huge_pages();
    let program = Ram::anonymous(program_bytes(ram_bytes) as usize)
        .map_err(KvmError::set_up("the memory of the guest's program"))?;
    let program = Arc::new(program);

    let (vm, log, kind, refused) = with_log(&kvm, &program, &ram, &setup)?;
    let rings = match &log {
        Log::Ring(rings) => Some(Arc::clone(rings)),
        Log::Bitmap { .. } | Log::WriteProtect => None,
    };
    let (program_log, marker) = log.of_slot(&vm, PROGRAM_SLOT, stores)?;
    // No device stores to the block `ram`.
    let (ram_log, _) = log.of_slot(&vm, RAM_SLOT, stores)?;

    let mut made = Vec::new();
    for index in 0..vcpus {
        let vcpu = vm.vcpu(index)?;
        if let Some(rings) = &rings {
            rings.add(&vcpu.fd)?;
        }
        made.push(vcpu);
    }
    let list = kvm.get_msr_index_list().map_err(KvmError::call("KVM_GET_MSR_INDEX_LIST"))?;
    let msrs = made[0].readable_msrs(list.as_slice());
    let tsc_khz = made[0].fd.get_tsc_khz().map_err(KvmError::call("KVM_GET_TSC_KHZ"))?;
    if state != RunState::InMigrate {
        let image = Image(&program);
        image.lay_out(&ram);
        for vcpu in &made {
            let share = Share::of(&ram, vcpus, vcpu.index);
            let hz = u64::from(tsc_khz) * 1000;
            let task = Task {
                first_page: share.first_page(),
                workload: share.workload(setup.seed),
                pages: share.pages(),
                seed: share.seed(setup.seed),
                interval: start::interval(hz, setup.rate),
                catch_up: hz / CATCH_UP_HZ,
                tick: hz / SLEEPS_HZ,
                line: if vcpu.index == 0 { hz / LINES_HZ } else { 0 },
                xcr0: start::xcr0(&vm),
                tsc_aux: start::tsc_aux(&vm, vcpu.index),
            };
            image.vcpu(vcpu.index, &task);
            start::vcpu(vcpu, &task, &msrs)?;
        }
        start::vm(&vm)?;
    }
    // All that KVM can refuse is done, and no vCPU has run.
    ram.put_into_machine()?;
    program.put_into_machine()?;
    let guest = GuestState { seed: setup.seed, pages: pages as u64, vcpus: vcpus as u32, tsc_khz };
    let serial = std::mem::replace(&mut setup.serial, Box::new(std::io::sink()));
    let devices = Devices::new(serial, Arc::clone(&program), marker);
    let parts = Parts {
        vm,
        program: Arc::clone(&program),
        ram: Arc::clone(&ram),
        rings,
        msrs,
        vcpus: made,
        devices,
        guest,
    };
    let handle = Vcpus::new(parts, state)?;
    let host = host(&handle, program, program_log, ram, ram_log)?;
    let running = handle.start(thread)?;
    Ok(KvmMachine { host, running, log: kind, refused })
}

type WithLog = (Arc<KvmVm>, Log, LogKind, Vec<KvmError>);

/// Makes a VM with the dirty log that was chosen, or with the first that works. A VM that has one
/// of KVM's logs turned on cannot have the other, so each try has a VM of its own.
fn with_log(
    kvm: &Kvm,
    program: &Arc<Ram>,
    ram: &Arc<Ram>,
    setup: &Setup,
) -> Result<WithLog, KvmError> {
    let mut refused = Vec::new();
    let kinds = setup.log.as_ref().map_or(&LogKind::ALL[..], std::slice::from_ref);
    for kind in kinds {
        let vm = KvmVm::new(kvm, Arc::clone(program), Arc::clone(ram))?;
        let log = match kind {
            LogKind::Bitmap => Ok(Log::Bitmap { by_range: bitmap::clear_by_range(&vm) }),
            LogKind::Ring => Rings::enable(&vm, setup.ring_entries).map(Arc::new).map(Log::Ring),
            LogKind::WriteProtect => Ok(Log::WriteProtect),
        };
        let vm = Arc::new(vm);
        let works = log.and_then(|log| {
            log.of_slot(&vm, RAM_SLOT, HostStores::Marked)?;
            Ok(log)
        });
        match works {
            Ok(log) => return Ok((vm, log, *kind, refused)),
            Err(error) => refused.push(error),
        }
    }
    Err(refused.pop().unwrap_or(KvmError::Missing { what: "dirty log" }))
}

/// Puts the parts of the machine together for the engine.
fn host(
    vcpus: &Vcpus,
    program: Arc<Ram>,
    program_log: Box<dyn migration::DirtyLog>,
    ram: Arc<Ram>,
    ram_log: Box<dyn migration::DirtyLog>,
) -> Result<Host, KvmError> {
    fn section<S: crate::sections::Section>(
        host: Host,
        vcpus: &Vcpus,
        instance: usize,
    ) -> Result<Host, KvmError> {
        let device = SectionOf::<S>::new(vcpus, instance);
        Ok(host.device(IdStr::new(S::NAME)?, instance as u32, device)?)
    }

    let host = Host::new(MACHINE_TYPE, Hooks(vcpus.clone()))
        .ram_block(RamBlock::new(IdStr::new(PROGRAM_BLOCK)?, program, program_log)?)?
        .ram_block(RamBlock::new(IdStr::new(RAM_BLOCK)?, ram, ram_log)?)?;
    // First, so that a machine that differs is refused by what differs.
    let mut host = section::<GuestState>(host, vcpus, 0)?;
    for index in 0..vcpus.count() {
        host = section::<VcpuState>(host, vcpus, index)?;
    }
    let host = section::<ClockState>(host, vcpus, 0)?;
    let host = section::<IrqchipState>(host, vcpus, 0)?;
    let host = section::<PitState>(host, vcpus, 0)?;
    let host = section::<SerialPortState>(host, vcpus, 0)?;
    section::<DoorbellState>(host, vcpus, 0)
}
