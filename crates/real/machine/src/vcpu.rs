//! The virtual CPU: a thread that runs the workload, and whose position in it is its state.
//!
//! It executes without the BQL, like QEMU's vCPUs, and takes it to stop and to start.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use migration::bql::{BqlCondvar, BqlGuard, BqlGuarded, BqlUnlocked};
use migration::{
    Device, GuestMemory, PAGE_WORDS, RestoreError, RunState, Vm, VmArrived, VmStopped, VmWaiting,
};
use wire::DecodeError;
use wire::vmstate::{Fields, VmState};

use crate::dirty::Marker;
use crate::ram::Ram;
use crate::workload::{Mismatch, Verified, Workload};

/// Time that the vCPU sleeps after a burst of writes, to keep to its rate.
const TICK: Duration = Duration::from_millis(1);

/// Maximum delay that the vCPU catches up on after it could not run.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Maximum number of writes that an arriving vCPU may have done, so that it can never reach the
/// end of the count.
const MOST_WRITES: u64 = u64::MAX / 2;

/// The state of the vCPU, as it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VcpuState {
    /// Seed of the workload.
    pub seed: u64,
    /// Number of pages that it writes to.
    pub pages: u64,
    /// Writes per second; each goes to another page than the one before.
    pub rate: u64,
    /// Number of writes done.
    pub position: u64,
    /// Number of writes that found an unexpected word.
    pub faults: u64,
}

impl VmState for VcpuState {
    const NAME: &'static str = "lastref-vcpu";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        f.u64("seed", &mut self.seed)?;
        f.u64("pages", &mut self.pages)?;
        f.u64("rate", &mut self.rate)?;
        f.u64("position", &mut self.position)?;
        f.u64("faults", &mut self.faults)
    }
}

type Panic = Box<dyn Any + Send>;

/// The data of a machine that the BQL protects.
#[derive(Debug)]
struct Run {
    state: RunState,
    /// Run state before the machine was stopped for migration.
    before: RunState,
    /// Whether the vCPU executes nothing, so that `cpu` is its state.
    parked: bool,
    /// Number of times that the vCPU stopped executing.
    stops: u64,
    quit: bool,
    /// The payload of its panic, after which it does not run again.
    panic: Option<Panic>,
    cpu: VcpuState,
    /// Number of writes done in the state that a migration brought.
    arrived: u64,
    /// Times of the vCPU's last stop and last start, on the clock that all processes share.
    stopped_at: Duration,
    started_at: Duration,
}

#[derive(Debug)]
struct Shared {
    ram: Arc<Ram>,
    marker: Marker,
    run: BqlGuarded<Run>,
    /// Notified at each change of `run`.
    changed: BqlCondvar,
    /// Asks the vCPU to stop executing (`cpu_exit`).
    exit: AtomicBool,
}

/// A handle of a vCPU. Clones are the same vCPU.
///
/// A user of the machine has one to start and stop it. It has none of the rights of a migration.
#[derive(Debug, Clone)]
pub struct Vcpu {
    shared: Arc<Shared>,
}

/// The thread of a vCPU; end it with [`VcpuThread::join`].
#[derive(Debug)]
#[must_use = "the vCPU runs until it is joined"]
pub struct VcpuThread {
    vcpu: Vcpu,
    thread: JoinHandle<()>,
}

/// Returns the time on the clock that all processes of this system share.
pub fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

/// An error of making a vCPU: its thread cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot create the thread of the vCPU")]
pub struct VcpuError(#[from] std::io::Error);

impl Vcpu {
    /// Makes a vCPU in `state` with the memory it writes to. It has no thread yet.
    pub(crate) fn new(ram: Arc<Ram>, marker: Marker, cpu: VcpuState, state: RunState) -> Self {
        let run = Run {
            state,
            before: state,
            parked: true,
            stops: 0,
            quit: false,
            panic: None,
            cpu,
            arrived: 0,
            stopped_at: Duration::ZERO,
            started_at: Duration::ZERO,
        };
        Vcpu {
            shared: Arc::new(Shared {
                ram,
                marker,
                run: BqlGuarded::new(run),
                changed: BqlCondvar::new(),
                exit: AtomicBool::new(false),
            }),
        }
    }

    /// Starts its thread.
    ///
    /// # Errors
    ///
    /// If the thread cannot be created.
    pub(crate) fn start(self) -> Result<VcpuThread, VcpuError> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name("CPU 0".into()).spawn(move || shared.main())?;
        Ok(VcpuThread { vcpu: self, thread })
    }

    fn run<'g>(&'g self, bql: &'g BqlGuard<'_>) -> &'g Run {
        self.shared.run.borrow(bql)
    }

    /// Returns the run state of the machine.
    pub fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        self.run(bql).state
    }

    /// Returns the state of the vCPU at its last stop.
    pub fn state(&self, bql: &BqlGuard<'_>) -> VcpuState {
        self.run(bql).cpu
    }

    /// Returns the number of writes done in the state that a migration brought.
    pub fn arrived(&self, bql: &BqlGuard<'_>) -> u64 {
        self.run(bql).arrived
    }

    /// Returns the time of its last stop, on the monotonic clock.
    pub fn stopped_at(&self, bql: &BqlGuard<'_>) -> Duration {
        self.run(bql).stopped_at
    }

    /// Returns the time of its last start, on the monotonic clock.
    pub fn started_at(&self, bql: &BqlGuard<'_>) -> Duration {
        self.run(bql).started_at
    }

    /// Starts the machine (`cont`) and returns `true`. Returns `false` if it has moved away or is
    /// moving.
    pub fn cont(&self, bql: &mut BqlGuard<'_>) -> bool {
        let run = self.shared.run.borrow_mut(bql);
        let may = matches!(run.state, RunState::Prelaunch | RunState::Paused | RunState::Running);
        if may {
            run.state = RunState::Running;
            self.shared.changed.notify_all();
        }
        may
    }

    /// Stops the machine (`stop`). When this returns the vCPU has stopped, even if another stop was
    /// in progress. It runs only if other code started it again meanwhile.
    pub fn stop(&self, bql: &mut BqlGuard<'_>) {
        let run = self.shared.run.borrow_mut(bql);
        if run.state == RunState::Running {
            run.state = RunState::Paused;
        }
        self.wait_until_out(bql);
    }

    /// Waits until the vCPU has stopped executing. Waiting until it is parked would miss a stop
    /// followed at once by a `cont`.
    fn wait_until_out(&self, bql: &mut BqlGuard<'_>) {
        let stops = self.run(bql).stops;
        self.shared.exit.store(true, Ordering::Relaxed);
        self.shared.changed.notify_all();
        let executes = |run: &Run| !run.parked && run.stops == stops;
        self.shared.changed.wait_while(bql, |bql| executes(self.run(bql)));
    }

    /// Fills memory with the initial contents of the workload, as long as `goes_on` returns `true`.
    pub fn fill_memory(ram: &Ram, workload: Workload, goes_on: impl Fn() -> bool) {
        workload.fill(ram.words(), goes_on);
    }

    /// Compares all of memory with its expected contents in state `cpu`. The vCPU must be stopped.
    ///
    /// # Errors
    ///
    /// If a word differs. The error names the first.
    pub fn verify_memory(&self, cpu: VcpuState) -> Result<Verified, Mismatch> {
        let workload = Workload::new(cpu.seed, workload_pages(&self.shared.ram));
        workload.verify(self.shared.ram.words(), cpu.position)
    }
}

fn workload_pages(ram: &Ram) -> usize {
    ram.words().len() / PAGE_WORDS
}

impl VcpuThread {
    /// Returns the vCPU.
    pub fn vcpu(&self) -> &Vcpu {
        &self.vcpu
    }

    /// Ends the thread and waits for it, without the BQL.
    pub fn join(self, thread: &mut BqlUnlocked) {
        let shared = &self.vcpu.shared;
        shared.run.borrow_mut(&mut thread.lock()).quit = true;
        shared.exit.store(true, Ordering::Relaxed);
        shared.changed.notify_all();
        if let Err(panic) = self.thread.join() {
            resume_unwind(panic);
        }
    }
}

impl Shared {
    /// Runs the thread: parks until the machine runs, then executes until asked to stop.
    fn main(&self) {
        let Ok(mut thread) = BqlUnlocked::attach() else {
            unreachable!("a thread that has just begun has no lock token");
        };
        let mut bql = thread.lock();
        loop {
            self.changed.wait_while(&mut bql, |bql| {
                let run = self.run.borrow(bql);
                run.state != RunState::Running && !run.quit
            });
            let run = self.run.borrow_mut(&mut bql);
            if run.quit {
                break;
            }
            self.exit.store(false, Ordering::Relaxed);
            run.parked = false;
            run.started_at = monotonic();
            let mut cpu = run.cpu;
            let executed =
                bql.unlocked(|_| catch_unwind(AssertUnwindSafe(|| self.execute(&mut cpu))));
            let run = self.run.borrow_mut(&mut bql);
            run.cpu = cpu;
            run.parked = true;
            run.stops += 1;
            run.stopped_at = monotonic();
            if let Err(panic) = executed {
                run.panic = Some(panic);
                // A migration that is stopping the machine continues with it.
                match run.state {
                    RunState::FinishMigrate => run.before = RunState::InternalError,
                    _ => run.state = RunState::InternalError,
                }
            }
            self.changed.notify_all();
        }
        if let Some(panic) = self.run.borrow_mut(&mut bql).panic.take() {
            drop(bql);
            resume_unwind(panic);
        }
    }

    /// Runs the workload at its rate until `exit`.
    fn execute(&self, cpu: &mut VcpuState) {
        let workload = Workload::new(cpu.seed, workload_pages(&self.ram));
        let words = self.ram.words();
        let (mut began, mut done) = (Instant::now(), 0_u64);
        while !self.exit.load(Ordering::Relaxed) {
            let due = (began.elapsed().as_secs_f64() * cpu.rate as f64) as u64;
            let behind = due.saturating_sub(done);
            if behind as f64 > cpu.rate as f64 * CATCH_UP.as_secs_f64() {
                // The vCPU could not run for long. The time is lost, as for a real CPU.
                (began, done) = (Instant::now(), 0);
                continue;
            }
            for _ in 0..behind {
                let write = workload.write(cpu.position);
                let word = &words[write.page * PAGE_WORDS + write.word];
                if word.load(Ordering::Relaxed) != write.old {
                    cpu.faults = cpu.faults.saturating_add(1);
                }
                self.marker.store(write.page, || word.store(write.new, Ordering::Relaxed));
                cpu.position += 1;
                if self.exit.load(Ordering::Relaxed) {
                    return;
                }
            }
            done += behind;
            thread::sleep(TICK);
        }
    }
}

/// The operations of a migration on a vCPU. Only the machine's [`Host`](migration::Host) has them;
/// a [`Vcpu`] does not.
#[derive(Debug)]
pub(crate) struct Hooks(pub(crate) Vcpu);

impl Vm for Hooks {
    fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        self.0.run_state(bql)
    }

    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState {
        let run = self.0.shared.run.borrow_mut(bql);
        if run.state != RunState::FinishMigrate {
            run.before = run.state;
            run.state = RunState::FinishMigrate;
        }
        // No code starts it in this state, so it is parked once it has stopped executing.
        self.0.wait_until_out(bql);
        self.0.run(bql).before
    }

    fn resume_after_failure(&self, bql: &mut BqlGuard<'_>, stopped: &VmStopped) {
        self.0.shared.run.borrow_mut(bql).state = stopped.was();
        self.0.shared.changed.notify_all();
    }

    fn has_moved(&self, bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {
        self.0.shared.run.borrow_mut(bql).state = RunState::PostMigrate;
    }

    fn has_arrived(&self, bql: &mut BqlGuard<'_>, arrived: &VmArrived) {
        self.0.shared.run.borrow_mut(bql).state = arrived.at_source();
        self.0.shared.changed.notify_all();
    }
}

impl Device for Hooks {
    type State = VcpuState;

    fn save(&self, bql: &BqlGuard<'_>, _stopped: &VmStopped) -> VcpuState {
        self.0.state(bql)
    }

    fn restore(
        &self,
        bql: &mut BqlGuard<'_>,
        state: VcpuState,
        _waiting: &VmWaiting,
    ) -> Result<(), RestoreError> {
        let pages = workload_pages(&self.0.shared.ram) as u64;
        if state.pages != pages {
            return Err(RestoreError(format!(
                "its workload writes to {} pages, and there are {pages}",
                state.pages
            )));
        }
        if state.position > MOST_WRITES {
            return Err(RestoreError(format!(
                "its workload has done {} writes, and can count to {MOST_WRITES}",
                state.position
            )));
        }
        let run = self.0.shared.run.borrow_mut(bql);
        run.cpu = state;
        run.arrived = state.position;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DirtyTracking;

    #[test]
    fn a_vcpu_that_panics_is_stopped_and_keeps_nobody_waiting() {
        // Its log has one page, and it writes to sixty-four and more.
        let pages = 256;
        let ram = Arc::new(Ram::anonymous(pages << 12).expect("memory"));
        let small = Arc::new(Ram::anonymous(1 << 12).expect("memory"));
        let marker = DirtyTracking::software(&small).marker();
        let cpu = VcpuState { pages: pages as u64, rate: 1_000_000, ..VcpuState::default() };
        let vcpu = Vcpu::new(ram, marker, cpu, RunState::Running);
        let running = vcpu.clone().start().expect("a thread");
        let mut thread = BqlUnlocked::attach().expect("the token of a test's thread");
        loop {
            let bql = thread.lock();
            if vcpu.run_state(&bql) == RunState::InternalError {
                break;
            }
            drop(bql);
            thread::yield_now();
        }
        let mut bql = thread.lock();
        vcpu.stop(&mut bql);
        assert!(!vcpu.cont(&mut bql), "it does not run again");
        assert_eq!(vcpu.run_state(&bql), RunState::InternalError);
        drop(bql);
        let joined = catch_unwind(AssertUnwindSafe(|| running.join(&mut thread)));
        joined.expect_err("what it said is not lost");
    }
}
