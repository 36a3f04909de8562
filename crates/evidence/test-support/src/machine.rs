//! A machine whose every hook a test can script, and its migration object.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::{self, JoinHandle};

use bql::{BqlGuard, BqlUnlocked};
use engine::{
    Device, Direction, DirtyBitmap, DirtyLog, Endpoint, GuestMemory, Host, MigrationError,
    MigrationState, MigrationStatus, Notifier, Observer, PAGE_WORDS, RamBlock, RestoreError,
    RunState, SettleError, Vm, VmArrived, VmStopped, VmWaiting, error_chain,
};
use wire::vmstate::{Fields, VmState};
use wire::{DecodeError, IdStr};

use crate::wait::DEADLINE;

/// The machine type of every machine here.
pub const MACHINE_TYPE: &str = "scripted";

/// The block of memory of every machine here.
pub const BLOCK: &str = "memory";

/// More pages than any socket or pipe holds.
pub const MANY_PAGES: usize = 2048;

type AtRunState = dyn Fn() -> RunState + Send + Sync;
type AtStop = dyn Fn(&Machine, &mut BqlGuard<'_>) + Send + Sync;
type AtSettle = dyn Fn(&Machine, &mut BqlUnlocked) -> Result<(), SettleError> + Send + Sync;
type AtLogStop = dyn Fn(&Machine) + Send + Sync;
type AtSave = dyn Fn(&Machine) + Send + Sync;
type AtRestore = dyn Fn(&Machine) -> Result<(), RestoreError> + Send + Sync;
type AtLogStart = dyn Fn(&Machine) -> io::Result<()> + Send + Sync;
type AtDrop = dyn Fn() + Send + Sync;
type AtSync = dyn Fn(&Machine, &mut DirtyBitmap) -> io::Result<()> + Send + Sync;

/// What a machine does at its hooks, beside what every machine does.
#[derive(Default)]
pub struct Script {
    /// What it does, in place of what the migrations have made of it.
    pub run_state: Option<Box<AtRunState>>,
    /// At `Vm::stop_for_migration`.
    pub stop: Option<Box<AtStop>>,
    /// At `Device::save`.
    pub save: Option<Box<AtSave>>,
    /// At `Device::restore`.
    pub restore: Option<Box<AtRestore>>,
    /// At `DirtyLog::start`.
    pub log_start: Option<Box<AtLogStart>>,
    /// At `DirtyLog::sync`.
    pub sync: Option<Box<AtSync>>,
    /// At `DirtyLog::stop`.
    pub log_stop: Option<Box<AtLogStop>>,
    /// At `Vm::resume_after_failure`.
    pub resume: Option<Box<AtStop>>,
    /// At `Vm::has_moved`.
    pub moved: Option<Box<AtStop>>,
    /// At `Vm::settle`.
    pub settle: Option<Box<AtSettle>>,
    /// At `Vm::has_arrived`, when it is in its new state.
    pub arrived: Option<Box<AtStop>>,
    /// When nobody has the machine any more.
    pub dropped: Option<Box<AtDrop>>,
}

/// What was done to a machine so far, oldest first. It outlives the machine.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    /// Returns how often `what` happened.
    pub fn count(&self, what: &str) -> usize {
        lock(&self.0).iter().filter(|entry| *entry == what).count()
    }

    fn note(&self, what: String) {
        lock(&self.0).push(what);
    }
}

/// A machine: memory, dirty log, processors and the device `counter` in one.
pub struct Machine {
    words: Vec<AtomicU64>,
    script: Script,
    run: Mutex<Run>,
    /// The state of the device `counter`.
    pub counter: AtomicU64,
    trace: Trace,
    object: OnceLock<Weak<MigrationState>>,
    canceller: Mutex<Option<JoinHandle<()>>>,
}

struct Run {
    state: RunState,
    before_stop: Option<RunState>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(dropped) = &self.script.dropped {
            dropped();
        }
    }
}

/// Locks a small mutex, also one that a failed test has poisoned.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// Creates a machine in this state, its memory all zero.
    pub fn new(pages: usize, state: RunState, script: Script) -> Arc<Self> {
        Arc::new(Machine {
            words: (0..pages * PAGE_WORDS).map(|_| AtomicU64::new(0)).collect(),
            script,
            run: Mutex::new(Run { state, before_stop: None }),
            counter: AtomicU64::new(0),
            trace: Trace::default(),
            object: OnceLock::new(),
            canceller: Mutex::default(),
        })
    }

    /// Returns what a migration object of this machine is made of.
    pub fn host(self: &Arc<Self>) -> Host {
        let name = |text| IdStr::new(text).expect("a short name");
        let host = Host::new(MACHINE_TYPE, Hooks(self.clone()))
            .device(name(Counter::NAME), 0, Hooks(self.clone()))
            .expect("one device");
        if self.words.is_empty() {
            return host;
        }
        let log = Box::new(Log(self.clone()));
        let block = RamBlock::new(name(BLOCK), self.clone(), log).expect("whole pages");
        host.ram_block(block).expect("one block")
    }

    /// What happened so far, oldest first.
    pub fn trace(&self) -> Vec<String> {
        lock(&self.trace.0).clone()
    }

    /// Returns the record of what happened, for code that must not keep the machine.
    pub fn told(&self) -> Trace {
        self.trace.clone()
    }

    /// Adds to the trace.
    pub fn note(&self, what: impl Into<String>) {
        self.trace.note(what.into());
    }

    /// Returns how often `what` happened.
    pub fn count(&self, what: &str) -> usize {
        self.trace.count(what)
    }

    /// Forgets what it did before it was stopped, as one may whose stop panics.
    pub fn forget_before_stop(&self) {
        lock(&self.run).before_stop = None;
    }

    /// Returns what the machine does now.
    pub fn run_state(&self) -> RunState {
        let state = lock(&self.run).state;
        self.script.run_state.as_ref().map_or(state, |hook| hook())
    }

    /// Does what its user says: `cont` where it has moved away, say.
    pub fn set_run_state(&self, state: RunState) {
        lock(&self.run).state = state;
    }

    /// Its migration object.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn object(&self) -> Arc<MigrationState> {
        self.object.get().and_then(Weak::upgrade).expect("a machine with a migration object")
    }

    /// Cancels its outgoing migration.
    pub fn cancel(&self, bql: &mut BqlGuard<'_>) {
        self.object().cancel(bql, Direction::Outgoing);
    }

    /// Lets another thread cancel as soon as it gets the BQL.
    pub fn begin_to_cancel(&self) {
        let object = self.object();
        let canceller = thread::spawn(move || {
            let mut thread = BqlUnlocked::attach().expect("the token of a new thread");
            object.cancel(&mut thread.lock(), Direction::Outgoing);
        });
        *lock(&self.canceller) = Some(canceller);
    }

    /// Waits until the other thread has cancelled, if one was told to.
    pub fn finish_cancelling(&self) {
        let canceller = lock(&self.canceller).take();
        if let Some(canceller) = canceller {
            canceller.join().expect("a cancel that does not panic");
        }
    }

    /// Writes `value` to the first word of `page`.
    pub fn write(&self, page: usize, value: u64) {
        self.words[page * PAGE_WORDS].store(value, Ordering::Relaxed);
    }

    /// All of its memory.
    pub fn contents(&self) -> Vec<u64> {
        self.words.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }
}

impl GuestMemory for Machine {
    fn words(&self) -> &[AtomicU64] {
        &self.words
    }
}

/// The dirty log of a machine.
struct Log(Arc<Machine>);

impl DirtyLog for Log {
    fn start(&mut self) -> io::Result<()> {
        self.0.note("log start");
        self.0.script.log_start.as_ref().map_or(Ok(()), |hook| hook(&self.0))
    }

    fn stop(&mut self) {
        self.0.note("log stop");
        if let Some(hook) = &self.0.script.log_stop {
            hook(&self.0);
        }
    }

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        self.0.note("sync");
        self.0.script.sync.as_ref().map_or(Ok(()), |hook| hook(&self.0, dirty))
    }
}

/// What a migration does to a machine.
struct Hooks(Arc<Machine>);

impl Vm for Hooks {
    fn run_state(&self, _bql: &BqlGuard<'_>) -> RunState {
        self.0.run_state()
    }

    fn stop_for_migration(&self, bql: &mut BqlGuard<'_>) -> RunState {
        let now = self.0.run_state();
        let before = {
            let mut run = lock(&self.0.run);
            run.state = RunState::FinishMigrate;
            *run.before_stop.get_or_insert(now)
        };
        self.0.note("stop");
        if let Some(hook) = &self.0.script.stop {
            hook(&self.0, bql);
        }
        before
    }

    fn resume_after_failure(&self, bql: &mut BqlGuard<'_>, stopped: &VmStopped) {
        self.0.note("resume");
        if let Some(hook) = &self.0.script.resume {
            hook(&self.0, bql);
        }
        let mut run = lock(&self.0.run);
        run.state = stopped.was();
        run.before_stop = None;
    }

    fn has_moved(&self, bql: &mut BqlGuard<'_>, _stopped: &VmStopped) {
        self.0.note("moved");
        if let Some(hook) = &self.0.script.moved {
            hook(&self.0, bql);
        }
        let mut run = lock(&self.0.run);
        run.state = RunState::PostMigrate;
        run.before_stop = None;
    }

    fn settle(&self, thread: &mut BqlUnlocked, _waiting: &VmWaiting) -> Result<(), SettleError> {
        self.0.script.settle.as_ref().map_or(Ok(()), |hook| hook(&self.0, thread))
    }

    fn has_arrived(&self, bql: &mut BqlGuard<'_>, arrived: &VmArrived) {
        self.0.note("arrived");
        if let Some(hook) = &self.0.script.arrived {
            hook(&self.0, bql);
        }
        lock(&self.0.run).state = arrived.at_source();
    }
}

/// The state of the device `counter`.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    value: u64,
}

impl VmState for Counter {
    const NAME: &'static str = "counter";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        f.u64("value", &mut self.value)
    }
}

impl Device for Hooks {
    type State = Counter;

    fn save(&self, _bql: &BqlGuard<'_>, _stopped: &VmStopped) -> Counter {
        self.0.note("save");
        if let Some(hook) = &self.0.script.save {
            hook(&self.0);
        }
        Counter { value: self.0.counter.load(Ordering::Relaxed) }
    }

    fn restore(
        &self,
        _bql: &mut BqlGuard<'_>,
        state: Counter,
        _waiting: &VmWaiting,
    ) -> Result<(), RestoreError> {
        self.0.note("restore");
        if let Some(hook) = &self.0.script.restore {
            hook(&self.0)?;
        }
        self.0.counter.store(state.value, Ordering::Relaxed);
        Ok(())
    }
}

/// A machine and its migration object.
pub struct Site {
    /// What the object was made of.
    pub host: Arc<Host>,
    /// The machine.
    pub machine: Arc<Machine>,
    /// Its migration object.
    pub object: Arc<MigrationState>,
}

impl Site {
    /// A machine that runs; every other page of its memory is not zero.
    pub fn source(pages: usize, script: Script) -> Site {
        let site = Site::new(pages, RunState::Running, script);
        for page in (0..pages).step_by(2) {
            site.machine.write(page, page as u64 + 1);
        }
        site.machine.counter.store(4711, Ordering::Relaxed);
        site
    }

    /// A machine that waits for its state.
    pub fn destination(pages: usize, script: Script) -> Site {
        Site::new(pages, RunState::InMigrate, script)
    }

    /// Creates a machine in this state, and its object.
    pub fn new(pages: usize, state: RunState, script: Script) -> Site {
        let machine = Machine::new(pages, state, script);
        let host = Arc::new(machine.host());
        let object = MigrationState::new(Arc::clone(&host)).expect("a migration object");
        machine.object.set(Arc::downgrade(&object)).expect("the first object of the machine");
        Site { host, machine, object }
    }

    /// Returns an observer of its object.
    pub fn observer(&self, direction: Direction) -> Observer {
        self.object.observer(direction)
    }

    /// Notes each event with the status at that moment.
    pub fn note_events(&self, thread: &mut BqlUnlocked) -> Notifier {
        let machine = Arc::clone(&self.machine);
        let mut bql = thread.lock();
        self.object.registrations_mut(&mut bql).add_notifier(move |_, event| {
            let status = machine.object().status(Direction::Outgoing);
            machine.note(format!("{event:?} while {status}"));
            Ok(())
        })
    }

    /// Moves the machine to `endpoint`.
    ///
    /// # Errors
    ///
    /// If it cannot begin.
    pub fn migrate(
        &self,
        thread: &mut BqlUnlocked,
        endpoint: impl Into<Endpoint>,
    ) -> Result<(), MigrationError> {
        engine::migrate(Arc::clone(&self.object), &mut thread.lock(), endpoint.into())
    }

    /// Lets a machine come in from `endpoint`.
    ///
    /// # Errors
    ///
    /// If it cannot begin.
    pub fn migrate_incoming(
        &self,
        thread: &mut BqlUnlocked,
        endpoint: impl Into<Endpoint>,
    ) -> Result<(), MigrationError> {
        engine::migrate_incoming(Arc::clone(&self.object), &mut thread.lock(), endpoint.into())
    }

    /// Cancels a migration.
    pub fn cancel(&self, thread: &mut BqlUnlocked, direction: Direction) {
        self.object.cancel(&mut thread.lock(), direction);
    }

    /// Waits for the end of a migration.
    #[track_caller]
    pub fn end(&self, thread: &mut BqlUnlocked, direction: Direction) -> MigrationStatus {
        let observer = self.observer(direction);
        let status = observer.wait(thread, DEADLINE, |status, _| status.is_terminal());
        assert!(
            status.is_terminal(),
            "{direction:?} not over within {DEADLINE:?}: {status}, {:?}",
            self.machine.trace()
        );
        status
    }

    /// Waits until the outgoing migration sends memory.
    #[track_caller]
    pub fn wait_until_active(&self, thread: &mut BqlUnlocked) {
        let observer = self.observer(Direction::Outgoing);
        let status = observer.wait(thread, DEADLINE, |status, _| status != MigrationStatus::Setup);
        assert_eq!(status, MigrationStatus::Active, "{:?}", self.error(Direction::Outgoing));
    }

    /// The whole chain of causes of a migration's error.
    pub fn error(&self, direction: Direction) -> Option<String> {
        self.observer(direction).error().map(|error| error_chain(&*error))
    }

    /// The machine stands still at the source, since it may run at the destination; when it is let
    /// go on, it does.
    #[track_caller]
    pub fn assert_kept(&self, thread: &mut BqlUnlocked) {
        let trace = self.machine.trace();
        assert_eq!(self.machine.run_state(), RunState::FinishMigrate, "{trace:?}");
        assert_eq!(
            (self.machine.count("resume"), self.machine.count("moved")),
            (0, 0),
            "{trace:?}"
        );
        self.object.cont(&mut thread.lock()).expect("a machine that was kept");
        self.assert_runs_on();
        self.object.cont(&mut thread.lock()).expect_err("it was let go on once");
    }

    /// The machine runs at the source and nothing of the migration is left.
    #[track_caller]
    pub fn assert_runs_on(&self) {
        let trace = self.machine.trace();
        assert_eq!(self.machine.run_state(), RunState::Running, "{trace:?}");
        assert_eq!(self.machine.count("moved"), 0, "{trace:?}");
        assert!(self.machine.count("resume") <= self.machine.count("stop"), "{trace:?}");
        let last = |what: &str| trace.iter().rposition(|entry| entry == what);
        assert!(last("log stop") > last("sync").max(last("log start")), "{trace:?}");
    }
}

/// The token of the test's thread.
pub fn attach() -> BqlUnlocked {
    BqlUnlocked::attach().expect("the token of a test's thread")
}
