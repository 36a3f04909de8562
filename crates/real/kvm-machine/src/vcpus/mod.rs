//! The vCPUs: a thread for each, which executes guest code until it is kicked.
//!
//! A thread executes without the BQL, like QEMU's (`kvm_vcpu_thread_fn`, `kvm_cpu_exec`), and takes
//! it to stop and to start. While it executes it owns its vCPU; while it does not, the vCPU is
//! *parked* in data that the BQL guards. So the state of a vCPU can be read only while it executes
//! nothing.

mod hooks;

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kvm_bindings::KVM_EXIT_DIRTY_RING_FULL;
use kvm_ioctls::VcpuExit;
use machine::{Mismatch, Ram, Verified, monotonic};
use migration::RunState;
use migration::bql::{BqlCondvar, BqlGuard, BqlGuarded, BqlUnlocked};

use crate::devices::Devices;
use crate::error::KvmError;
use crate::kick::{self, ExitRequest};
use crate::lines::{LineMismatch, verify_lines};
use crate::log::ring::Rings;
use crate::program::{Image, writes_done};
use crate::share::Share;
use crate::state::order::VmParts;
use crate::state::vcpu::VcpuState;
use crate::state::{DoorbellState, GuestState, SerialPortState};
use crate::vm::{KvmVm, Vcpu};

pub(crate) use hooks::Hooks;

/// The reason why a vCPU cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VcpuFailure {
    #[error("vCPU {vcpu} shut down at rip {rip:#x}, as after a triple fault (KVM_EXIT_SHUTDOWN)")]
    Shutdown { vcpu: usize, rip: u64 },
    #[error("vCPU {vcpu}: KVM_EXIT_INTERNAL_ERROR, suberror {suberror}, at rip {rip:#x}")]
    Internal { vcpu: usize, suberror: u32, rip: u64 },
    #[error("vCPU {vcpu}: {exit}, which this machine does not handle, at rip {rip:#x}")]
    Exit { vcpu: usize, exit: String, rip: u64 },
    #[error("vCPU {vcpu}: KVM_RUN failed: {source}")]
    Run { vcpu: usize, source: io::Error },
    #[error("the state of the machine cannot be read: {}", migration::error_chain(.0))]
    State(KvmError),
    #[error("the thread of vCPU {vcpu} panicked")]
    Panicked { vcpu: usize },
}

/// A vCPU that executes nothing, with the devices that it brings along.
#[derive(Debug)]
struct Parked {
    vcpu: Vcpu,
    /// Of the first vCPU.
    devices: Option<Devices>,
}

/// A vCPU as the BQL's holder sees it.
#[derive(Debug)]
struct Place {
    /// The vCPU, unless its thread executes it.
    parked: Option<Parked>,
    /// Number of times that it stopped executing.
    stops: u64,
}

/// The state of the machine outside its memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct Saved {
    pub(crate) guest: GuestState,
    pub(crate) parts: VmParts,
    pub(crate) vcpus: Vec<VcpuState>,
    pub(crate) serial: SerialPortState,
    pub(crate) doorbell: DoorbellState,
}

/// The sections of a migration that have arrived.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) guest: Option<GuestState>,
    pub(crate) irqchip: Option<crate::state::vm::IrqchipState>,
    pub(crate) pit: Option<crate::state::vm::PitState>,
    pub(crate) clock: Option<crate::state::vm::ClockState>,
    pub(crate) vcpus: Vec<Option<VcpuState>>,
    pub(crate) serial: Option<SerialPortState>,
    pub(crate) doorbell: Option<DoorbellState>,
}

type Panic = Box<dyn Any + Send>;

/// The data of a machine that the BQL protects.
#[derive(Debug)]
pub(crate) struct Run {
    state: RunState,
    /// Run state before the machine was stopped for migration.
    before: RunState,
    places: Vec<Place>,
    threads: Vec<JoinHandle<()>>,
    quit: bool,
    /// Why the machine is in `internal-error`.
    failure: Option<VcpuFailure>,
    panic: Option<Panic>,
    pub(crate) guest: GuestState,
    /// The state at the stop for a migration.
    pub(crate) saved: Option<Saved>,
    pub(crate) received: Received,
    /// Number of writes that each vCPU had done when it arrived.
    arrived: Vec<u64>,
    printed: u64,
    /// When the first vCPU stopped last, and when the last one started, on the clock that all
    /// processes share.
    stopped_at: Duration,
    started_at: Duration,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) vm: Arc<KvmVm>,
    program: Arc<Ram>,
    ram: Arc<Ram>,
    rings: Option<Arc<Rings>>,
    /// Indices of the MSRs that are saved.
    msrs: Vec<u32>,
    exits: Vec<ExitRequest>,
    pub(crate) run: BqlGuarded<Run>,
    /// Notified at each change of `run`.
    changed: BqlCondvar,
}

/// A handle of a machine's vCPUs. Clones are of the same machine.
///
/// A user of the machine has one to start and stop it. It has none of the rights of a migration.
#[derive(Debug, Clone)]
pub struct Vcpus {
    pub(crate) shared: Arc<Shared>,
}

/// The threads of the vCPUs; end them with [`VcpuThreads::join`].
#[derive(Debug)]
#[must_use = "the vCPUs run until they are joined"]
pub struct VcpuThreads {
    vcpus: Vcpus,
}

/// What a vCPU shows of itself while it executes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of writes done.
    pub writes: u64,
    /// Number of writes that found an unexpected word.
    pub faults: u64,
    /// What else the guest found unexpected.
    pub noticed: Noticed,
}

/// What the guest found unexpected of the machine; each stays once it was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noticed(u64);

impl Noticed {
    /// Returns whether the guest noticed nothing.
    pub fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Returns whether the guest noticed one of these, given as bits of its register.
    #[cfg(test)]
    pub(crate) fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }
}

impl std::fmt::Display for Noticed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use crate::program::{
            CLOCK_WENT_BACK, STALE_DOORBELL, TSC_WENT_BACK, WRONG_TSC_AUX, WRONG_XCR0,
        };
        let names = [
            (TSC_WENT_BACK, "the time stamp counter went back"),
            (CLOCK_WENT_BACK, "KVM's clock went back"),
            (WRONG_TSC_AUX, "another IA32_TSC_AUX"),
            (WRONG_XCR0, "another XCR0"),
            (STALE_DOORBELL, "the doorbell's page is stale"),
        ];
        let seen = names.iter().filter(|(bit, _)| self.0 & bit != 0);
        let seen: Vec<&str> = seen.map(|(_, name)| *name).collect();
        f.write_str(if seen.is_empty() { "nothing" } else { "" })?;
        f.write_str(&seen.join(", "))
    }
}

/// The parts of a machine that has no threads yet.
pub(crate) struct Parts {
    pub(crate) vm: Arc<KvmVm>,
    pub(crate) program: Arc<Ram>,
    pub(crate) ram: Arc<Ram>,
    pub(crate) rings: Option<Arc<Rings>>,
    pub(crate) msrs: Vec<u32>,
    pub(crate) vcpus: Vec<Vcpu>,
    pub(crate) devices: Devices,
    pub(crate) guest: GuestState,
}

impl Vcpus {
    /// Makes the vCPUs of a machine in `state`. They have no threads yet.
    pub(crate) fn new(parts: Parts, state: RunState) -> Result<Self, KvmError> {
        let exits = parts.vcpus.iter().map(|vcpu| ExitRequest::of(&vcpu.fd));
        let exits = exits.collect::<Result<Vec<_>, _>>()?;
        let count = parts.vcpus.len();
        let mut devices = Some(parts.devices);
        let park =
            |vcpu| Place { parked: Some(Parked { vcpu, devices: devices.take() }), stops: 0 };
        let run = Run {
            state,
            before: state,
            places: parts.vcpus.into_iter().map(park).collect(),
            threads: Vec::new(),
            quit: false,
            failure: None,
            panic: None,
            guest: parts.guest,
            saved: None,
            received: Received { vcpus: vec![None; count], ..Received::default() },
            arrived: vec![0; count],
            printed: 0,
            stopped_at: Duration::ZERO,
            started_at: Duration::ZERO,
        };
        Ok(Vcpus {
            shared: Arc::new(Shared {
                vm: parts.vm,
                program: parts.program,
                ram: parts.ram,
                rings: parts.rings,
                msrs: parts.msrs,
                exits,
                run: BqlGuarded::new(run),
                changed: BqlCondvar::new(),
            }),
        })
    }

    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// If a thread cannot be created. Those that were end first.
    pub(crate) fn start(self, thread: &mut BqlUnlocked) -> Result<VcpuThreads, KvmError> {
        kick::handle_signal()?;
        let running = VcpuThreads { vcpus: self };
        let shared = &running.vcpus.shared;
        for index in 0..shared.exits.len() {
            let its = Arc::clone(shared);
            let created = thread::Builder::new()
                .name(format!("CPU {index}/KVM"))
                .spawn(move || its.main(index));
            match created {
                Ok(handle) => shared.run.borrow_mut(&mut thread.lock()).threads.push(handle),
                Err(source) => {
                    running.join(thread);
                    return Err(KvmError::SetUp { what: "the thread of a vCPU", source });
                }
            }
        }
        Ok(running)
    }

    fn run<'g>(&'g self, bql: &'g BqlGuard<'_>) -> &'g Run {
        self.shared.run.borrow(bql)
    }

    /// Returns the run state of the machine.
    pub fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        self.run(bql).state
    }

    /// Returns why the machine is in `internal-error`.
    pub fn failure(&self, bql: &BqlGuard<'_>) -> Option<String> {
        self.run(bql).failure.as_ref().map(ToString::to_string)
    }

    /// Returns the number of vCPUs.
    pub fn count(&self) -> usize {
        self.shared.exits.len()
    }

    /// Returns where each vCPU is.
    ///
    /// # Errors
    ///
    /// If KVM does not show the registers of one, or one executes: stop the machine first.
    pub fn positions(&self, bql: &BqlGuard<'_>) -> Result<Vec<Position>, KvmError> {
        let places = self.run(bql).places.iter().enumerate();
        places
            .map(|(index, place)| {
                let parked = place.parked.as_ref().ok_or(KvmError::Executes { vcpu: index })?;
                let call = KvmError::vcpu_call("KVM_GET_REGS", index);
                let regs = parked.vcpu.fd.get_regs().map_err(call)?;
                Ok(Position {
                    writes: writes_done(regs.rip, regs.rbx),
                    faults: regs.r8,
                    noticed: Noticed(regs.r9),
                })
            })
            .collect()
    }

    /// Returns the number of writes that each vCPU had done in the state that a migration brought.
    pub fn arrived<'g>(&'g self, bql: &'g BqlGuard<'_>) -> &'g [u64] {
        &self.run(bql).arrived
    }

    /// Returns the number of bytes that the serial port had printed at its last stop, those before
    /// a move too.
    pub fn printed(&self, bql: &BqlGuard<'_>) -> u64 {
        self.run(bql).printed
    }

    /// Returns the number of interrupts of the PIT that the guest has counted.
    pub fn pit_ticks(&self) -> u64 {
        Image(&self.shared.program).pit_ticks()
    }

    /// Returns when the first vCPU stopped last, on the monotonic clock.
    pub fn stopped_at(&self, bql: &BqlGuard<'_>) -> Duration {
        self.run(bql).stopped_at
    }

    /// Returns when the last vCPU started, on the monotonic clock.
    pub fn started_at(&self, bql: &BqlGuard<'_>) -> Duration {
        self.run(bql).started_at
    }

    /// Starts the machine (`cont`) and returns `true`. Returns `false` if it has moved away, is
    /// moving, or is in `internal-error`.
    pub fn cont(&self, bql: &mut BqlGuard<'_>) -> bool {
        let run = self.shared.run.borrow_mut(bql);
        let may = matches!(run.state, RunState::Prelaunch | RunState::Paused | RunState::Running);
        if may {
            run.state = RunState::Running;
            self.shared.changed.notify_all();
        }
        may
    }

    /// Stops the machine (`stop`). When this returns every vCPU has stopped, even if another stop
    /// was in progress. One runs only if other code started it again meanwhile.
    pub fn stop(&self, bql: &mut BqlGuard<'_>) {
        let run = self.shared.run.borrow_mut(bql);
        if run.state == RunState::Running {
            run.state = RunState::Paused;
        }
        self.shared.wait_until_out(bql);
    }

    /// Compares all of the block `ram` with its expected contents at these positions of the vCPUs,
    /// which are stopped.
    ///
    /// # Errors
    ///
    /// If a word differs. The error names the first.
    pub fn verify_memory(
        &self,
        bql: &BqlGuard<'_>,
        positions: &[Position],
    ) -> Result<Verified, Mismatch> {
        let guest = self.run(bql).guest;
        let mut pages = 0;
        for (index, position) in positions.iter().enumerate() {
            let share = Share::of(&self.shared.ram, positions.len(), index);
            pages += share.verify(&self.shared.ram, guest.seed, position.writes)?.pages;
        }
        Ok(Verified { pages })
    }

    /// Compares what the serial port has printed since the guest's start, at the source too, with
    /// what it must have printed if the first vCPU has done `writes` writes since. Returns the
    /// number of lines.
    ///
    /// # Errors
    ///
    /// If a line differs. The error has the first.
    pub fn verify_lines(
        &self,
        bql: &BqlGuard<'_>,
        writes: u64,
        printed: &[u8],
    ) -> Result<usize, LineMismatch> {
        verify_lines(&self.shared.ram, self.count(), self.seed(bql), writes, printed)
    }

    /// Returns how many times a vCPU waited since its dirty ring was full.
    pub fn full_rings(&self) -> u64 {
        self.shared.rings.as_ref().map_or(0, |rings| rings.full())
    }

    /// Returns the seed of the guest's workload.
    pub fn seed(&self, bql: &BqlGuard<'_>) -> u64 {
        self.run(bql).guest.seed
    }
}

impl VcpuThreads {
    /// Returns the vCPUs.
    pub fn vcpus(&self) -> &Vcpus {
        &self.vcpus
    }

    /// Ends the threads and waits for them, without the BQL.
    pub fn join(self, thread: &mut BqlUnlocked) {
        let shared = &self.vcpus.shared;
        let mut bql = thread.lock();
        shared.run.borrow_mut(&mut bql).quit = true;
        shared.wait_until_out(&mut bql);
        let run = shared.run.borrow_mut(&mut bql);
        let (threads, panic) = (std::mem::take(&mut run.threads), run.panic.take());
        drop(bql);
        for thread in threads {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Shared {
    /// Waits until every vCPU has stopped executing. Waiting until all are parked would miss a stop
    /// followed at once by a `cont`.
    fn wait_until_out(&self, bql: &mut BqlGuard<'_>) {
        let run = self.run.borrow(bql);
        let stops: Vec<u64> = run.places.iter().map(|place| place.stops).collect();
        self.kick_all(run);
        self.changed.notify_all();
        let executes = |run: &Run| {
            let mut places = run.places.iter().zip(&stops);
            places.any(|(place, stops)| place.parked.is_none() && place.stops == *stops)
        };
        self.changed.wait_while(bql, |bql| executes(self.run.borrow(bql)));
    }

    fn kick_all(&self, run: &Run) {
        for ((place, exit), thread) in run.places.iter().zip(&self.exits).zip(&run.threads) {
            if place.parked.is_none() {
                exit.kick(thread);
            }
        }
    }

    /// Runs the thread of a vCPU: parks until the machine runs, then executes until it is kicked.
    fn main(&self, index: usize) {
        let Ok(mut thread) = BqlUnlocked::attach() else {
            unreachable!("a thread that has just begun has no lock token");
        };
        let blocked = kick::let_signal_through();
        let mut bql = thread.lock();
        if let Err(source) = blocked {
            self.fail(&mut bql, VcpuFailure::Run { vcpu: index, source });
        }
        loop {
            self.changed.wait_while(&mut bql, |bql| {
                let run = self.run.borrow(bql);
                run.state != RunState::Running && !run.quit
            });
            let run = self.run.borrow_mut(&mut bql);
            if run.quit {
                break;
            }
            let Some(mut parked) = run.places[index].parked.take() else { break };
            self.exits[index].withdraw();
            run.started_at = monotonic();
            let executed =
                bql.unlocked(|_| catch_unwind(AssertUnwindSafe(|| self.execute(&mut parked))));
            let run = self.run.borrow_mut(&mut bql);
            if run
                .places
                .iter()
                .enumerate()
                .all(|(other, place)| other == index || place.parked.is_none())
            {
                run.stopped_at = monotonic();
            }
            if let Some(devices) = &parked.devices {
                run.printed = devices.printed();
            }
            run.places[index].parked = Some(parked);
            run.places[index].stops += 1;
            match executed {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => self.fail(&mut bql, failure),
                Err(panic) => {
                    run.panic = Some(panic);
                    self.fail(&mut bql, VcpuFailure::Panicked { vcpu: index });
                }
            }
            self.changed.notify_all();
        }
    }

    /// Stops the machine in `internal-error`, and fails the migration that runs.
    fn fail(&self, bql: &mut BqlGuard<'_>, failure: VcpuFailure) {
        let run = self.run.borrow_mut(bql);
        // A migration that is stopping the machine leaves it in the state from before.
        match run.state {
            RunState::FinishMigrate => run.before = RunState::InternalError,
            _ => run.state = RunState::InternalError,
        }
        let reason = failure.to_string();
        run.failure.get_or_insert(failure);
        self.kick_all(self.run.borrow(bql));
        // Without a migration there is none to fail.
        let _ = migration::file_set_error(bql, reason);
    }

    /// Executes guest code until the vCPU is kicked.
    ///
    /// `KVM_RUN` completes the I/O of the exit before, and only then returns `EINTR` for a kick
    /// (api.rst, section 5). So a vCPU that comes out has no I/O pending, and its state is whole.
    fn execute(&self, parked: &mut Parked) -> Result<(), VcpuFailure> {
        let Parked { vcpu, devices } = parked;
        let exit = &self.exits[vcpu.index];
        loop {
            let other = match vcpu.fd.run() {
                Ok(VcpuExit::IoOut(port, data)) => {
                    if let Some(devices) = devices {
                        devices.write(port, data);
                    }
                    continue;
                }
                Ok(VcpuExit::IoIn(port, data)) => {
                    match devices {
                        Some(devices) => devices.read(port, data),
                        None => data.fill(0xff),
                    }
                    continue;
                }
                Ok(VcpuExit::Unsupported(KVM_EXIT_DIRTY_RING_FULL)) => None,
                Ok(other) => Some(Ok(format!("{other:?}"))),
                Err(error) => Some(Err(io::Error::from(error))),
            };
            match (other, &self.rings) {
                (None, Some(rings)) => rings
                    .make_room(&self.vm)
                    .map_err(|source| VcpuFailure::Run { vcpu: vcpu.index, source })?,
                (None, None) => {
                    return Err(vcpu.failure("KVM_EXIT_DIRTY_RING_FULL".into()));
                }
                (Some(Err(error)), _) if error.kind() == io::ErrorKind::Interrupted => {
                    if exit.is_asked() {
                        return Ok(());
                    }
                }
                // A vCPU that waits for another to start it was woken (`kvm_cpu_exec` of QEMU).
                (Some(Err(error)), _) if error.kind() == io::ErrorKind::WouldBlock => {}
                (Some(Err(source)), _) => {
                    return Err(VcpuFailure::Run { vcpu: vcpu.index, source });
                }
                (Some(Ok(exit)), _) => return Err(vcpu.failure(exit)),
            }
        }
    }
}

impl Vcpu {
    /// Makes the failure for an exit.
    fn failure(&mut self, exit: String) -> VcpuFailure {
        use kvm_bindings::{KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_SHUTDOWN};

        let vcpu = self.index;
        let rip = self.fd.get_regs().map_or(0, |regs| regs.rip);
        let run = self.fd.get_kvm_run();
        match run.exit_reason {
            KVM_EXIT_SHUTDOWN => VcpuFailure::Shutdown { vcpu, rip },
            KVM_EXIT_INTERNAL_ERROR => {
                // SAFETY: the exit is an internal error, so this is the union's field, which KVM
                // has set.
                let suberror = unsafe { run.__bindgen_anon_1.internal.suberror };
                VcpuFailure::Internal { vcpu, suberror, rip }
            }
            _ => VcpuFailure::Exit { vcpu, exit, rip },
        }
    }
}

#[cfg(test)]
impl Vcpus {
    /// Gives a parked vCPU to `body`.
    pub(crate) fn with_parked<R>(
        &self,
        bql: &mut BqlGuard<'_>,
        index: usize,
        body: impl FnOnce(&mut Vcpu) -> R,
    ) -> R {
        let place = &mut self.shared.run.borrow_mut(bql).places[index];
        body(&mut place.parked.as_mut().expect("a vCPU that is parked").vcpu)
    }

    /// Puts the memory and the state of a machine into this one, but for some parts, and lets it
    /// run.
    pub(crate) fn take_over(
        &self,
        bql: &mut BqlGuard<'_>,
        source: &Vcpus,
        saved: &Saved,
        left_out: &[crate::state::order::Part],
    ) -> Result<(), KvmError> {
        use std::sync::atomic::Ordering;

        use migration::GuestMemory;

        let (from, to) = (&source.shared, &self.shared);
        for (from, to) in [(&from.program, &to.program), (&from.ram, &to.ram)] {
            for (from, to) in from.words().iter().zip(to.words()) {
                to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        let run = to.run.borrow_mut(bql);
        let parked = run.places.iter_mut().map(|place| place.parked.as_mut().expect("parked"));
        let mut pairs = Vec::new();
        for (parked, state) in parked.zip(&saved.vcpus) {
            if let Some(devices) = &mut parked.devices {
                devices.set(&saved.serial, saved.doorbell);
            }
            pairs.push((&parked.vcpu, state));
        }
        crate::state::order::set_all_but(left_out, &to.vm, &saved.parts, pairs)?;
        run.guest = saved.guest;
        run.state = RunState::Paused;
        Ok(())
    }

    /// Returns how many times the guest rang the doorbell, which it counts by itself.
    pub(crate) fn rings(&self) -> u64 {
        use std::sync::atomic::Ordering;

        use migration::GuestMemory;

        let word = crate::layout::page_of(0) + crate::layout::vcpu_page::RINGS;
        let word = &self.shared.program.words()[word as usize / size_of::<u64>()];
        word.load(Ordering::Relaxed)
    }

    /// Undoes the last store of the doorbell.
    pub(crate) fn lose_doorbell(&self) {
        use std::sync::atomic::Ordering;

        use migration::GuestMemory;

        let word = crate::layout::DOORBELL as usize / size_of::<u64>();
        self.shared.program.words()[word].fetch_sub(1, Ordering::Relaxed);
    }
}
