//! A machine whose hooks a test can script, and the turn to use the one global.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::cell::Cell;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{
    DirtyBitmap, DirtyLog, Endpoint, GuestMemory, Host, PAGE_WORDS, RamBlock, RunState, Uri, Vm,
    VmArrived, VmStopped,
};
use wire::IdStr;

/// How long anything may take before the test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// One migration object at a time.
pub(crate) fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    lock(&TURN)
}

/// The token of a test's thread.
pub(crate) fn attach() -> BqlUnlocked {
    BqlUnlocked::attach().expect("the token of a test's thread")
}

/// A small mutex, also one that a failed test has poisoned.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An endpoint whose peer says and reads what the test lets it.
pub(crate) fn pair() -> (Endpoint, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    (Endpoint::with_fd(Uri::Fd(0), theirs.into()), ours)
}

type AtStop = dyn Fn(&mut BqlGuard<'_>) + Send + Sync;
type AtSync = dyn Fn(&mut DirtyBitmap) + Send + Sync;
type AtEnd = dyn Fn() + Send + Sync;

/// What a machine does at its hooks, beside counting them.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) stop: Option<Box<AtStop>>,
    pub(crate) arrived: Option<Box<AtStop>>,
    pub(crate) sync: Option<Box<AtSync>>,
    pub(crate) dropped: Option<Box<AtEnd>>,
}

/// How often a machine was told what.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) stop: AtomicUsize,
    pub(crate) resume: AtomicUsize,
    pub(crate) moved: AtomicUsize,
    pub(crate) arrived: AtomicUsize,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::SeqCst);
}

/// Memory, dirty log and processors in one.
pub(crate) struct Machine {
    words: Vec<AtomicU64>,
    /// `None`: what the thread that asks wants ([`does`]).
    state: Mutex<Option<RunState>>,
    hooks: Hooks,
    told: Arc<Told>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(dropped) = &self.hooks.dropped {
            dropped();
        }
    }
}

/// The processors and the dirty log of a machine.
struct Part(Arc<Machine>);

impl Vm for Part {
    fn run_state(&self, _bql: &BqlGuard<'_>) -> RunState {
        lock(&self.0.state).unwrap_or_else(|| DOES.get())
    }

    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState {
        count(&self.0.told.stop);
        if let Some(stop) = &self.0.hooks.stop {
            stop(bql);
        }
        RunState::Running
    }

    fn resume_after_failure(&self, _bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {
        count(&self.0.told.resume);
    }

    fn has_moved(&self, _bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {
        count(&self.0.told.moved);
    }

    fn has_arrived(&self, bql: &mut BqlGuard<'_>, arrived: &VmArrived) {
        count(&self.0.told.arrived);
        lock(&self.0.state).replace(arrived.at_source());
        if let Some(arrived) = &self.0.hooks.arrived {
            arrived(bql);
        }
    }
}

impl GuestMemory for Machine {
    fn words(&self) -> &[AtomicU64] {
        &self.words
    }
}

impl DirtyLog for Part {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn stop(&mut self) {}

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        if let Some(sync) = &self.0.hooks.sync {
            sync(dirty);
        }
        Ok(())
    }
}

/// A machine of some pages that runs and lives as long as the migration object, and what it was
/// told.
pub(crate) fn machine(pages: usize, hooks: Hooks) -> (Host, Arc<Told>) {
    machine_in(RunState::Running, pages, hooks)
}

thread_local! {
    static DOES: Cell<RunState> = const { Cell::new(RunState::Running) };
}

/// Says what an [`obliging_machine`] does when this thread's next command asks for it.
pub(crate) fn does(state: RunState) {
    DOES.set(state);
}

/// A machine that runs for a thread that moves it away, and waits for one that moves it here.
pub(crate) fn obliging_machine(pages: usize) -> (Host, Arc<Told>) {
    new_machine(None, pages, Hooks::default())
}

/// The same machine in another state.
pub(crate) fn machine_in(state: RunState, pages: usize, hooks: Hooks) -> (Host, Arc<Told>) {
    new_machine(Some(state), pages, hooks)
}

fn new_machine(state: Option<RunState>, pages: usize, hooks: Hooks) -> (Host, Arc<Told>) {
    let told = Arc::<Told>::default();
    let words = (0..pages * PAGE_WORDS).map(|_| AtomicU64::new(1)).collect();
    let machine =
        Arc::new(Machine { words, state: Mutex::new(state), hooks, told: Arc::clone(&told) });
    let name = IdStr::new("memory").expect("a short name");
    let log = Box::new(Part(machine.clone()));
    let block = RamBlock::new(name, machine.clone(), log).expect("whole pages");
    (Host::new("scripted", Part(machine)).ram_block(block).expect("one block"), told)
}
