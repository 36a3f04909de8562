//! A machine with one vCPU, a hook of which panics when it is first called.
//!
//! It runs the workload of `machine`, and is written anew since nobody outside that crate can put
//! anything between the engine and the hooks of its machine.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use machine::{DirtyTracking, MACHINE_TYPE, Marker, RAM_BLOCK, Ram, VcpuState};
use migration::bql::{BqlGuard, BqlGuarded, BqlUnlocked};
use migration::{
    Device, DirtyBitmap, DirtyLog, GuestMemory, Host, PAGE_WORDS, RamBlock, RestoreError, RunState,
    SettleError, Vm, VmArrived, VmStopped, VmWaiting,
};
use serde::{Deserialize, Serialize};
use wire::IdStr;
use wire::vmstate::VmState as _;

use super::Trouble;
use super::contents::workload;

/// The hooks of a machine that a migration calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub(crate) enum Hook {
    Stop,
    Save,
    Resume,
    Moved,
    LogStart,
    LogSync,
    LogStop,
    Settle,
    Restore,
    Arrived,
}

impl Hook {
    /// The hooks that a source has.
    pub(crate) const OF_SOURCE: [Hook; 7] = [
        Hook::Stop,
        Hook::Save,
        Hook::Resume,
        Hook::Moved,
        Hook::LogStart,
        Hook::LogSync,
        Hook::LogStop,
    ];
    /// The hooks that a destination has.
    pub(crate) const OF_DESTINATION: [Hook; 3] = [Hook::Settle, Hook::Restore, Hook::Arrived];

    /// As the command line has it.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
            .chars()
            .enumerate()
            .flat_map(|(at, letter)| {
                let dash = (at > 0 && letter.is_uppercase()).then_some('-');
                dash.into_iter().chain(letter.to_lowercase())
            })
            .collect()
    }
}

/// A hook that panics, once, before or after it has done its work.
#[derive(Debug)]
pub(crate) struct Fault {
    hook: Hook,
    after: bool,
    done: AtomicBool,
}

impl Fault {
    pub(crate) fn new(hook: Hook, after: bool) -> Arc<Self> {
        Arc::new(Fault { hook, after, done: AtomicBool::new(false) })
    }

    /// Does the work of `hook`, with the panic in its place.
    fn around<R>(&self, hook: Hook, work: impl FnOnce() -> R) -> R {
        let panics = hook == self.hook && !self.done.swap(true, Ordering::SeqCst);
        if hook != self.hook {
            return work();
        }
        if panics && !self.after {
            panic!("hook {} is broken", hook.name());
        }
        let done = work();
        if panics {
            panic!("hook {} is broken", hook.name());
        }
        done
    }
}

#[derive(Debug)]
struct Run {
    /// Whether the vCPU is to execute.
    wanted: bool,
    /// It executes nothing, and `cpu` is its state.
    parked: bool,
    quit: bool,
    cpu: VcpuState,
    arrived: u64,
}

#[derive(Debug)]
struct Shared {
    ram: Arc<Ram>,
    marker: Marker,
    run: Mutex<Run>,
    changed: Condvar,
    exit: AtomicBool,
    /// What the machine does, and did before it was stopped for a migration.
    state: BqlGuarded<(RunState, RunState)>,
}

impl Shared {
    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, until: impl Fn(&Run) -> bool) -> MutexGuard<'_, Run> {
        let waited = self.changed.wait_while(self.run(), |run| !until(run));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    fn set_wanted(&self, wanted: bool) {
        self.run().wanted = wanted;
        self.exit.store(!wanted, Ordering::Relaxed);
        self.changed.notify_all();
        if !wanted {
            drop(self.wait(|run| run.parked));
        }
    }

    fn main(&self) {
        loop {
            let mut run = self.wait(|run| run.wanted || run.quit);
            if run.quit {
                return;
            }
            run.parked = false;
            let mut cpu = run.cpu;
            drop(run);
            self.execute(&mut cpu);
            let mut run = self.run();
            run.cpu = cpu;
            run.parked = true;
            self.changed.notify_all();
        }
    }

    /// Writes in bursts, a millisecond apart.
    fn execute(&self, cpu: &mut VcpuState) {
        let (workload, words) = (workload(), self.ram.words());
        loop {
            for _ in 0..cpu.rate.div_ceil(1000) {
                if self.exit.load(Ordering::Relaxed) {
                    return;
                }
                let write = workload.write(cpu.position);
                let word = &words[write.page * PAGE_WORDS + write.word];
                if word.load(Ordering::Relaxed) != write.old {
                    cpu.faults = cpu.faults.saturating_add(1);
                }
                self.marker.store(write.page, || word.store(write.new, Ordering::Relaxed));
                cpu.position += 1;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The vCPU on its thread, for its user.
#[derive(Debug)]
pub(crate) struct FragileVcpu {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl FragileVcpu {
    pub(crate) fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        self.shared.state.borrow(bql).0
    }

    /// Stops the vCPU for a moment, and returns its state and the writes that had arrived.
    pub(crate) fn stop(&self) -> (VcpuState, u64) {
        self.shared.set_wanted(false);
        let run = self.shared.run();
        (run.cpu, run.arrived)
    }

    /// Lets a vCPU go on that was stopped for a moment.
    pub(crate) fn go_on(&self) {
        self.shared.set_wanted(true);
    }

    pub(crate) fn end(self) {
        self.shared.set_wanted(false);
        self.shared.run().quit = true;
        self.shared.changed.notify_all();
        // It panics for no reason but a bug here, which has been printed.
        let _ = self.thread.join();
    }
}

/// Makes the machine, as `machine::running_machine` does.
pub(crate) fn machine(
    ram: Arc<Ram>,
    tracking: DirtyTracking,
    cpu: VcpuState,
    state: RunState,
    fault: Arc<Fault>,
) -> Result<(Host, FragileVcpu), Trouble> {
    let wanted = state == RunState::Running;
    let shared = Arc::new(Shared {
        ram: Arc::clone(&ram),
        marker: tracking.marker(),
        run: Mutex::new(Run { wanted, parked: true, quit: false, cpu, arrived: 0 }),
        changed: Condvar::new(),
        exit: AtomicBool::new(!wanted),
        state: BqlGuarded::new((state, state)),
    });
    let hooks = || Hooks(Arc::clone(&shared), Arc::clone(&fault));
    let log = Box::new(FragileLog(tracking, Arc::clone(&fault)));
    let host = Host::new(MACHINE_TYPE, hooks())
        .ram_block(RamBlock::new(IdStr::new(RAM_BLOCK)?, ram, log)?)?
        .device(IdStr::new(VcpuState::NAME)?, 0, hooks())?;
    let main = Arc::clone(&shared);
    let thread = thread::Builder::new().name("CPU 0".into()).spawn(move || main.main())?;
    Ok((host, FragileVcpu { shared, thread }))
}

struct FragileLog(DirtyTracking, Arc<Fault>);

impl DirtyLog for FragileLog {
    fn start(&mut self) -> io::Result<()> {
        self.1.around(Hook::LogStart, || self.0.start())
    }

    fn stop(&mut self) {
        self.1.around(Hook::LogStop, || self.0.stop());
    }

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        self.1.around(Hook::LogSync, || self.0.sync(dirty))
    }
}

struct Hooks(Arc<Shared>, Arc<Fault>);

impl Hooks {
    fn go_on(&self, bql: &mut BqlGuard<'_>, state: RunState) {
        self.0.state.borrow_mut(bql).0 = state;
        if state == RunState::Running {
            self.0.set_wanted(true);
        }
    }
}

impl Vm for Hooks {
    fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        self.0.state.borrow(bql).0
    }

    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState {
        self.1.around(Hook::Stop, || {
            let state = self.0.state.borrow_mut(bql);
            if state.0 != RunState::FinishMigrate {
                *state = (RunState::FinishMigrate, state.0);
            }
            let before = state.1;
            self.0.set_wanted(false);
            before
        })
    }

    fn resume_after_failure(&self, bql: &mut BqlGuard<'_>, stopped: &VmStopped) {
        self.1.around(Hook::Resume, || self.go_on(bql, stopped.was()));
    }

    fn has_moved(&self, bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {
        self.1.around(Hook::Moved, || self.0.state.borrow_mut(bql).0 = RunState::PostMigrate);
    }

    fn settle(&self, _thread: &mut BqlUnlocked, _waiting: &VmWaiting) -> Result<(), SettleError> {
        self.1.around(Hook::Settle, || Ok(()))
    }

    fn has_arrived(&self, bql: &mut BqlGuard<'_>, arrived: &VmArrived) {
        self.1.around(Hook::Arrived, || self.go_on(bql, arrived.at_source()));
    }
}

impl Device for Hooks {
    type State = VcpuState;

    fn save(&self, _bql: &BqlGuard<'_>, _stopped: &VmStopped) -> VcpuState {
        self.1.around(Hook::Save, || self.0.run().cpu)
    }

    fn restore(
        &self,
        _bql: &mut BqlGuard<'_>,
        state: VcpuState,
        _waiting: &VmWaiting,
    ) -> Result<(), RestoreError> {
        self.1.around(Hook::Restore, || {
            let mut run = self.0.run();
            (run.cpu, run.arrived) = (state, state.position);
            Ok(())
        })
    }
}
