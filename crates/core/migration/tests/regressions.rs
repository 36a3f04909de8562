//! The regressions of QEMU's migration object, each as the same scenario in our terms.
//!
//! Each test names the commit or the month, and its comment says what went wrong there.
//! `docs/regressions.md` has the table. Where the mistake cannot be written any more, the test
//! plays the nearest scenario that can, and the comment names the program in `ui-tests` that does
//! not compile.
//!
//! The face has one global, so the tests of this file take turns.

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use common::{DEADLINE, Hooks, Told, attach, lock, machine, machine_in, my_turn, pair};
use engine::MigrationState;
use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{
    CommandError, Direction, Host, InitError, Life, LifeEventKind, MigrationCapabilities,
    MigrationEvent, MigrationObject, MigrationParameters, MigrationStatus, Notifier, Observer,
    RunState, Uri, error_chain,
};
use tempfile::TempDir;
use wire::{Command, FileHeader, Record, ReturnMessage, Wire};

/// More pages than a socket holds: a first pass to a silent peer never ends.
const MANY_PAGES: usize = 2048;

/// A meeting place: threads come, and go on when the test lets them.
#[derive(Default)]
struct Gate {
    /// How many came, and how many of them may go on.
    count: Mutex<(usize, usize)>,
    changed: Condvar,
}

impl Gate {
    fn change(&self, change: impl FnOnce(&mut (usize, usize))) {
        change(&mut lock(&self.count));
        self.changed.notify_all();
    }

    fn wait(&self, done: impl Fn(&(usize, usize)) -> bool) -> bool {
        let count = lock(&self.count);
        let waited = self.changed.wait_timeout_while(count, DEADLINE, |count| !done(count));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Comes, and waits until it may go on.
    fn pass(&self) {
        let mut number = 0;
        self.change(|(came, _)| {
            *came += 1;
            number = *came;
        });
        self.wait(|(_, may)| number <= *may);
    }

    #[track_caller]
    fn wait_for(&self, number: usize) {
        assert!(self.wait(|(came, _)| *came >= number), "nobody came");
    }

    /// Whoever comes may go on.
    fn open(&self) {
        self.change(|(_, may)| *may = usize::MAX);
    }
}

/// Opens the gate also for a test that has failed.
struct OpenedAtEnd(Arc<Gate>);

impl Drop for OpenedAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

fn gate() -> (OpenedAtEnd, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    (OpenedAtEnd(Arc::clone(&gate)), gate)
}

/// A machine, and the name of the thread that is the last to let it go.
fn mortal(pages: usize, hooks: Hooks) -> (Host, Arc<Told>, Receiver<String>) {
    mortal_in(RunState::Running, pages, hooks)
}

fn mortal_in(
    state: RunState,
    pages: usize,
    mut hooks: Hooks,
) -> (Host, Arc<Told>, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    hooks.dropped = Some(Box::new(move || {
        // A test that has failed does not listen.
        let _ = sender.send(thread::current().name().unwrap_or("").to_owned());
    }));
    let (host, told) = machine_in(state, pages, hooks);
    (host, told, receiver)
}

fn still(pages: usize) -> Host {
    machine(pages, Hooks::default()).0
}

#[track_caller]
fn init(bql: &mut BqlGuard<'_>, host: Host) -> (MigrationObject, Life, Observer) {
    let object = migration::object_init(bql, host).expect("no object yet");
    let life = migration::life(bql).expect("the life of the object");
    (object, life, observer(bql, Direction::Outgoing))
}

#[track_caller]
fn observer(bql: &BqlGuard<'_>, direction: Direction) -> Observer {
    migration::observer(bql, direction).expect("an object to observe")
}

/// Begins to migrate to a peer that reads nothing.
#[track_caller]
fn begin(bql: &mut BqlGuard<'_>) -> UnixStream {
    let (endpoint, peer) = pair();
    migration::migrate(bql, endpoint).expect("an idle object");
    peer
}

/// Begins to migrate to a peer that reads everything, and says nothing but that it has.
#[track_caller]
fn begin_to_reader(bql: &mut BqlGuard<'_>) {
    let mut peer = begin(bql);
    thread::spawn(move || {
        let mut received = Vec::new();
        let mut buffer = [0; 1 << 16];
        for number in 1.. {
            let (mut ping, mut pong) = (Vec::new(), Vec::new());
            Record::Command(Command::Ping(number)).encode(&mut ping);
            ReturnMessage::Pong(number).encode(&mut pong);
            // The source sends nothing more until it is answered.
            while !received.ends_with(&ping) {
                match peer.read(&mut buffer) {
                    Ok(n) if n != 0 => received.extend_from_slice(&buffer[..n]),
                    _ => return,
                }
            }
            received.clear();
            if peer.write_all(&pong).is_err() {
                return;
            }
        }
    });
}

#[track_caller]
fn end(observer: &Observer, thread: &mut BqlUnlocked) -> MigrationStatus {
    let status = observer.wait(thread, DEADLINE, |status, _| status.is_terminal());
    assert!(status.is_terminal(), "not over within {DEADLINE:?}: {status}");
    status
}

#[track_caller]
fn wait_until(observer: &Observer, thread: &mut BqlUnlocked, expected: MigrationStatus) {
    let status = observer.wait(thread, DEADLINE, |status, _| status == expected);
    assert_eq!(status, expected, "{:?}", observer.history());
}

fn is_dropped(life: &Life) -> bool {
    life.events().iter().any(|event| event.what == LifeEventKind::Dropped)
}

/// Waits until the object is gone; on which thread it went.
#[track_caller]
fn gone(life: &Life, thread: &mut BqlUnlocked) -> String {
    assert!(life.wait_until_dropped(thread, DEADLINE), "not dropped: {:?}", life.events());
    life.events().pop().expect("a life has events").thread
}

/// Shuts down an object that nothing but this test may still hold.
#[track_caller]
fn shut_down(object: MigrationObject, thread: &mut BqlUnlocked, life: &Life) {
    drop(migration::shutdown(object, &mut thread.lock()));
    gone(life, thread);
}

/// Shuts down in the middle of something. It returns, the object goes, and the machine with it.
#[track_caller]
fn shut_down_in(
    what: &str,
    object: MigrationObject,
    bql: &mut BqlGuard<'_>,
    life: &Life,
    machine: &Receiver<String>,
) -> String {
    let asked = Instant::now();
    drop(migration::shutdown(object, bql));
    let returned = asked.elapsed();
    let last = bql.unlocked(|thread| gone(life, thread));
    println!(
        "{what}: shutdown returned in {returned:?}, the object was gone in {:?}",
        asked.elapsed()
    );
    assert!(returned < DEADLINE, "{what}");
    assert_eq!(
        machine.recv_timeout(DEADLINE).as_deref(),
        Ok(&*last),
        "{what}: the machine goes too"
    );
    assert!(migration::life(bql).is_none(), "{what}");
    last
}

/// Holds migration threads in their last call-out, with the BQL released.
fn hold_at_the_end(bql: &mut BqlGuard<'_>) -> (Notifier, OpenedAtEnd, Arc<Gate>) {
    let (opened, gate) = gate();
    let passes = Arc::clone(&gate);
    let notifier = migration::add_notifier(bql, move |bql, event| {
        if event != MigrationEvent::PrecopySetup {
            bql.unlocked(|_| passes.pass());
        }
        Ok(())
    });
    (notifier, opened, gate)
}

/// 2018, the object was never finalized: nobody gave its first count back. To lose the right
/// to shut down is a warning (`outside/fail/nocode_right_not_kept.rs`).
#[test]
fn qemu_1f8956041a_the_first_count_is_given_back() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (host, _, machine) = mortal(1, Hooks::default());
    let (object, life, _) = init(&mut bql, host);
    let retired = migration::shutdown(object, &mut bql);
    assert!(!is_dropped(&life), "the owner has its count back");
    drop(retired);
    assert!(is_dropped(&life), "and that was the last");
    let here = thread::current().name().unwrap_or("").to_owned();
    assert_eq!(machine.try_recv(), Ok(here), "what it held is freed on the spot");
}

/// 2019, at exit the migration thread went on with structures that main had freed. A thread
/// with a borrowed object does not compile (`inside/fail/E0521_borrow_into_a_thread.rs`).
#[test]
fn qemu_892ae715b6_a_migration_that_runs_at_exit_keeps_what_it_uses() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (host, _, machine) = mortal(MANY_PAGES, Hooks::default());
    let (object, life, _) = init(&mut bql, host);
    let _peer = begin(&mut bql);
    drop(migration::shutdown(object, &mut bql));
    drop(bql);
    gate.wait_for(1);
    assert!(!is_dropped(&life), "the thread has not ended");
    assert!(machine.try_recv().is_err(), "and has its machine");
    gate.open();
    assert_eq!(gone(&life, &mut thread), "mig/src/main");
    assert_eq!(machine.recv_timeout(DEADLINE).as_deref(), Ok("mig/src/main"));
    drop(notifier);
}

/// 2019, cleanup ran in a bottom half after the last unref. Here cleanup borrows the thread's
/// count (`inside/fail/E0505_clean_up_after_the_last_count.rs`).
#[test]
fn qemu_fd392cfa8e_cleanup_ends_before_the_last_count_goes() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    drop(migration::shutdown(object, &mut bql));
    drop(bql);
    gate.wait_for(1);
    assert_eq!(observer.status(), MigrationStatus::Cancelling, "in the middle of cleanup");
    assert!(!is_dropped(&life), "with the owner's count gone");
    gate.open();
    gone(&life, &mut thread);
    assert_eq!(observer.status(), MigrationStatus::Cancelled, "cleanup came to its end");
    drop(notifier);
}

/// 2019, a blocker could not be added before the object was made.
#[test]
fn qemu_daff7f0bbe_a_blocker_may_come_before_the_object() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let blocker = migration::add_blocker(&mut bql, "an early disk").expect("no migration runs");
    let (object, life, observer) = init(&mut bql, still(1));
    let (endpoint, _peer) = pair();
    let refused = migration::migrate(&mut bql, endpoint).expect_err("blocked");
    assert_eq!(refused.to_string(), "migration is blocked: an early disk");
    assert_eq!(observer.status(), MigrationStatus::None, "it did not begin");
    drop((bql, blocker));
    shut_down(object, &mut thread, &life);
}

/// 2024, the end of an incoming migration ran in a bottom half on an object that shutdown had
/// freed. A bottom half with a borrowed object does not compile
/// (`inside/fail/nocode_borrow_into_a_bottom_half.rs`).
#[test]
fn qemu_27eb8499ed_an_incoming_migration_ends_on_an_object_that_was_shut_down() {
    let _turn = my_turn();
    let mut thread = attach();
    let (_opened, gate) = gate();
    let passes = Arc::clone(&gate);
    let arrived = Box::new(move |bql: &mut BqlGuard<'_>| bql.unlocked(|_| passes.pass()));
    let hooks = Hooks { arrived: Some(arrived), ..Hooks::default() };
    let (host, told, machine) = mortal_in(RunState::InMigrate, 4, hooks);
    let mut bql = thread.lock();
    let (object, life, _) = init(&mut bql, host);
    let incoming = observer(&bql, Direction::Incoming);
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let endpoint = |end: UnixStream| migration::Endpoint::with_fd(Uri::Fd(0), end.into());
    migration::migrate_incoming(&mut bql, endpoint(here)).expect("an idle object");
    // The source is a second object of this process, which the face does not see.
    let source = MigrationState::new(still(4)).expect("an object");
    engine::migrate(source.counted(), &mut bql, endpoint(there)).expect("an idle object");
    drop(bql);

    gate.wait_for(1);
    drop(migration::shutdown(object, &mut thread.lock()));
    assert!(!is_dropped(&life), "the thread is at its last step");
    gate.open();
    assert_eq!(gone(&life, &mut thread), "mig/dst/main");
    assert_eq!(incoming.status(), MigrationStatus::Completed, "the machine is here");
    assert_eq!(told.arrived.load(Ordering::SeqCst), 1);
    assert_eq!(end(&source.observer(Direction::Outgoing), &mut thread), MigrationStatus::Completed);
    assert_eq!(machine.recv_timeout(DEADLINE).as_deref(), Ok("mig/dst/main"));
}

/// 2025, an incoming migration used the outgoing object, and only the outgoing side counted.
/// Here it is one object, and whoever starts a thread gives a count away
/// (`inside/fail/E0382_one_count_for_two_migrations.rs`).
#[test]
fn qemu_d657a14de5_an_incoming_migration_has_a_count_of_its_own() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let waits = machine_in(RunState::InMigrate, 4, Hooks::default()).0;
    let (object, life, _) = init(&mut bql, waits);
    let incoming = observer(&bql, Direction::Incoming);
    let before = life.events().len();
    let (endpoint, _peer) = pair();
    migration::migrate_incoming(&mut bql, endpoint).expect("an idle object");
    let counted = life.events()[before..].iter().any(|event| event.what == LifeEventKind::Counted);
    assert!(counted, "before the command returns");
    drop(migration::shutdown(object, &mut bql));
    assert!(!is_dropped(&life), "the thread cannot end before it has the BQL");
    drop(bql);
    assert_eq!(gone(&life, &mut thread), "mig/dst/main");
    assert_eq!(incoming.status(), MigrationStatus::Cancelled);
}

/// 2024, the migration thread took its count itself, and the object could be gone by then.
/// That does not compile (`inside/fail/E0521_count_taken_inside_the_thread.rs`).
#[test]
fn qemu_7fc8beb16e_the_count_is_taken_before_the_thread_is_started() {
    let _turn = my_turn();
    let mut thread = attach();
    for round in 0..50 {
        let mut bql = thread.lock();
        let (object, life, observer) = init(&mut bql, still(1));
        let _peer = begin(&mut bql);
        // The thread may not even have begun.
        drop(migration::shutdown(object, &mut bql));
        let events = life.events();
        let first = |what| events.iter().position(|event| event.what == what);
        let counted = first(LifeEventKind::Counted).expect("a count");
        assert!(Some(counted) < first(LifeEventKind::Retired), "round {round}: {events:?}");
        assert!(!is_dropped(&life), "round {round}: the thread has its count");
        drop(bql);
        assert_eq!(gone(&life, &mut thread), "mig/src/main", "round {round}");
        assert_eq!(observer.status(), MigrationStatus::Cancelled, "round {round}");
    }
}

/// 2024, `migration_is_running` lost its NULL check, and a disk that adds a blocker before the
/// object is made crashed the process. Who asks without an object is answered.
#[test]
fn qemu_4daff81efb_whether_one_runs_may_be_asked_before_there_is_an_object() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    assert!(migration::life(&bql).is_none(), "no object");
    assert!(!migration::is_running(&bql) && migration::is_idle(&bql));
    let disk = migration::add_blocker_normal(&mut bql, "format vdi").expect("none runs");
    assert_eq!(migration::blocked_reasons(&mut bql), ["format vdi"]);
    drop(disk);
}

/// 2024, cleanup closed the channel while others set its error, and one access had no lock.
/// The channel belongs to the phase, which nobody else can reach
/// (`inside/fail/E0451_phase_taken_apart.rs`); others make a request.
#[test]
fn qemu_6dd4f44c4f_errors_from_outside_never_meet_the_channel() {
    let _turn = my_turn();
    let over = AtomicBool::new(false);
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..2 {
            let (over, taken) = (&over, &taken);
            scope.spawn(move || {
                let mut thread = attach();
                while !over.load(Ordering::SeqCst) {
                    let mut bql = thread.lock();
                    let running = migration::is_running(&bql);
                    let word = format!("device {number} is stuck");
                    match migration::file_set_error(&mut bql, word.clone()) {
                        Ok(()) => {
                            assert!(running);
                            taken.fetch_add(1, Ordering::SeqCst);
                        }
                        // None runs, or it has come to its end already.
                        Err(back) => assert_eq!(back, word, "it comes back whole"),
                    }
                    drop(bql);
                    thread::yield_now();
                }
            });
        }
        let mut thread = attach();
        let (object, life, observer) = init(&mut thread.lock(), still(4));
        let mut failed = 0;
        for _ in 0..50 {
            let peer = begin(&mut thread.lock());
            assert_eq!(end(&observer, &mut thread), MigrationStatus::Failed);
            drop(peer);
            let error = error_chain(&*observer.error().expect("an error"));
            assert!(error.starts_with("a device reports: device "), "{error}");
            failed += 1;
        }
        shut_down(object, &mut thread, &life);
        over.store(true, Ordering::SeqCst);
        assert!(taken.load(Ordering::SeqCst) >= failed, "one word a migration at least");
    });
}

/// 2025, the text of an error was made from arguments that were freed before. An error owns
/// what it names, and a use after a move does not compile (E0382, as
/// `inside/fail/E0382_load_twice.rs`).
#[test]
fn qemu_89471ef237_an_error_owns_what_it_names() {
    let _turn = my_turn();
    let mut thread = attach();
    let folder = TempDir::new().expect("a folder");
    let path: PathBuf = folder.path().join("nobody");
    let (object, life, observer) = init(&mut thread.lock(), still(1));
    migration::migrate(&mut thread.lock(), Uri::Unix(path.clone()).into()).expect("an idle object");
    assert_eq!(end(&observer, &mut thread), MigrationStatus::Failed);
    shut_down(object, &mut thread, &life);
    drop(folder);
    // The endpoint, the command's arguments and the object are gone.
    let error = error_chain(&*observer.error().expect("an error"));
    let expected = format!("cannot connect to unix:{}: ", path.display());
    assert!(error.starts_with(&expected), "{error}");
}

/// 2025, an error was freed twice on an error path, since two believed that it was theirs. It
/// is moved to whom it belongs, or comes back (E0382, as
/// `inside/fail/E0382_clean_up_twice.rs`).
#[test]
fn qemu_c1116b1d73_an_error_has_one_owner_on_every_path() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (object, life, observer) = init(&mut bql, still(1));
    let early = migration::file_set_error(&mut bql, "too early".into());
    assert_eq!(early, Err("too early".to_owned()), "mine again");
    let _peer = begin(&mut bql);
    // The first is the migration's, the second has nobody to keep it, and the third comes
    // together with a cancel.
    for word in ["first", "second"] {
        migration::file_set_error(&mut bql, word.into()).expect("one runs");
    }
    migration::cancel(&mut bql, Direction::Outgoing);
    migration::file_set_error(&mut bql, "third".into()).expect("it is not over");
    bql.unlocked(|thread| end(&observer, thread));
    let error = error_chain(&*observer.error().expect("an error"));
    assert_eq!(error, "a device reports: first");
    let late = migration::file_set_error(&mut bql, "too late".into());
    assert_eq!(late, Err("too late".to_owned()), "mine again");
    drop(bql);
    shut_down(object, &mut thread, &life);
}

/// January 2026, `query-migrate` came out of the monitor's queue after shutdown and read the
/// freed object. The object is not there to be read
/// (`outside/fail/E0382_query_after_shutdown.rs`), and the questions have an answer.
#[test]
fn qemu_january_2026_a_query_after_shutdown_has_an_answer() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life, kept) = init(&mut bql, still(MANY_PAGES));
    let parameters = MigrationParameters { max_bandwidth: 1 << 20, ..Default::default() };
    migration::set_parameters(&bql, parameters).expect("parameters in their range");
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| wait_until(&kept, thread, MigrationStatus::Active));
    drop(migration::shutdown(object, &mut bql));
    let queries = |bql: &mut BqlGuard<'_>, when: &str| {
        assert_eq!(migration::parameters(bql), MigrationParameters::default(), "{when}");
        assert_eq!(migration::capabilities(bql), MigrationCapabilities::default(), "{when}");
        assert!(migration::is_idle(bql) && !migration::is_running(bql), "{when}");
        assert!(migration::observer(bql, Direction::Outgoing).is_none(), "{when}");
        assert!(migration::blocked_reasons(bql).is_empty(), "{when}");
    };
    queries(&mut bql, "just after shutdown");
    bql.unlocked(|_| gate.wait_for(1));
    queries(&mut bql, "while the thread cleans up");
    gate.open();
    bql.unlocked(|thread| gone(&life, thread));
    queries(&mut bql, "when the object is gone");
    assert_eq!(kept.status(), MigrationStatus::Cancelled, "what was kept before tells the end");
    assert!(kept.info().total > 0);
    drop(notifier);
}

/// December 2025, shutdown does not join the thread, and main tore down what the thread used.
/// The thread's count keeps it; memory that only borrows is no memory of a machine
/// (`outside/fail/E0310_memory_that_borrows.rs`).
#[test]
fn qemu_december_2025_the_machine_is_torn_down_when_the_thread_is_done_with_it() {
    let _turn = my_turn();
    let mut thread = attach();
    let (_opened, gate) = gate();
    let passes = Arc::clone(&gate);
    // In the middle of a pass, with no lock: the thread reads guest memory before and after.
    let sync = Box::new(move |_: &mut migration::DirtyBitmap| passes.pass());
    let (host, told, machine) = mortal(4, Hooks { sync: Some(sync), ..Hooks::default() });
    let mut bql = thread.lock();
    let (object, life, observer) = init(&mut bql, host);
    begin_to_reader(&mut bql);
    bql.unlocked(|_| gate.wait_for(1));
    drop(migration::shutdown(object, &mut bql));
    drop(bql);
    // Main has given everything back, as for its end.
    assert!(machine.try_recv().is_err(), "the memory is there");
    assert!(!is_dropped(&life));
    gate.open();
    assert_eq!(gone(&life, &mut thread), "mig/src/main");
    assert_eq!(machine.recv_timeout(DEADLINE).as_deref(), Ok("mig/src/main"), "now it is not");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    assert_eq!(count(&told.stop), count(&told.resume), "a machine that was stopped went on");
}

/// 2025, `failed` was seen before cleanup ended, and capabilities that were changed in between
/// made cleanup fail an assertion. An end that is not cleaned up cannot be published
/// (`inside/fail/E0599_publish_before_cleanup.rs`).
#[test]
fn qemu_status_failing_failed_is_seen_when_cleanup_is_over() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life, observer) = init(&mut bql, still(4));
    migration::migrate(&mut bql, Uri::Unix("/nowhere/socket".into()).into()).expect("idle");
    bql.unlocked(|_| gate.wait_for(1));
    assert_eq!(observer.status(), MigrationStatus::Setup, "it has failed, and cleans up");
    assert!(migration::is_running(&bql));
    let pause = MigrationCapabilities { pause_before_switchover: true, ..Default::default() };
    let refused = migration::set_capabilities(&bql, pause);
    assert!(matches!(refused, Err(CommandError::Refused(_))), "{refused:?}");
    let (endpoint, _peer) = pair();
    let second = migration::migrate(&mut bql, endpoint);
    assert!(matches!(second, Err(CommandError::Refused(_))), "{second:?}");
    gate.open();
    assert_eq!(bql.unlocked(|thread| end(&observer, thread)), MigrationStatus::Failed);
    migration::set_capabilities(&bql, pause).expect("cleanup is over");
    drop((bql, notifier));
    shut_down(object, &mut thread, &life);
}

/// VFIO's VM-state callback sets an error when the machine stops, which is after shutdown:
/// QEMU took a mutex that was destroyed. The error comes back to its owner.
#[test]
fn qemu_vm_state_callback_an_error_after_shutdown_comes_back() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    drop(migration::shutdown(object, &mut bql));
    let callback = |bql: &mut BqlGuard<'_>, when: &str| {
        let word = migration::file_set_error(bql, "the card does not stop".into());
        assert_eq!(word, Err("the card does not stop".to_owned()), "{when}");
    };
    callback(&mut bql, "just after shutdown");
    bql.unlocked(|_| gate.wait_for(1));
    callback(&mut bql, "while the thread cleans up");
    gate.open();
    bql.unlocked(|thread| gone(&life, thread));
    callback(&mut bql, "when the object is gone");
    let error = error_chain(&*observer.error().expect("an error"));
    assert_eq!(error, "cancelled", "the migration did not get the word");
    drop(notifier);
}

/// Device introspection makes a temporary object; a pointer that is set when one is made and
/// cleared when one is destroyed then points to the wrong one, or to none. Only who publishes
/// sets it, and the engine cannot name it (`inside/fail/E0433_ask_the_face.rs`).
#[test]
fn qemu_introspection_a_temporary_object_changes_nothing() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let temporary = || MigrationState::new(still(4)).expect("an object");
    drop(temporary());
    assert!(migration::life(&bql).is_none(), "made and dropped before the one object");

    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| wait_until(&observer, thread, MigrationStatus::Active));
    let other = temporary();
    let other_life = other.life().clone();
    let other_observer = other.observer(Direction::Outgoing);
    let blocker = other.registrations_mut(&mut bql).add_blocker("only the temporary one");
    let (endpoint, _other_peer) = pair();
    let blocked = engine::migrate(other.counted(), &mut bql, endpoint);
    assert!(blocked.is_err(), "its own blocker");
    drop(blocker);
    let (endpoint, _other_peer) = pair();
    engine::migrate(other.counted(), &mut bql, endpoint).expect("nothing of its own runs");
    other.cancel(&mut bql, Direction::Outgoing);
    drop(other);
    bql.unlocked(|thread| gone(&other_life, thread));
    assert_eq!(other_observer.status(), MigrationStatus::Cancelled);

    assert!(migration::is_active(&bql), "the one object did not notice");
    assert!(!is_dropped(&life) && migration::blocked_reasons(&mut bql).is_empty());
    let second = migration::object_init(&mut bql, still(1));
    assert!(matches!(second, Err(InitError::Exists)), "a temporary one is not for the outside");
    assert!(migration::is_active(&bql), "nor does a refused one change anything");
    drop(bql);
    shut_down(object, &mut thread, &life);
}

/// A peer that reads nothing: the first pass fills the socket and cannot end.
#[test]
fn shutdown_with_a_thread_that_is_blocked_on_its_peer() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (host, told, machine) = mortal(MANY_PAGES, Hooks::default());
    let (object, life, observer) = init(&mut bql, host);
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| wait_until(&observer, thread, MigrationStatus::Active));
    let last = shut_down_in("blocked on a peer", object, &mut bql, &life, &machine);
    assert_eq!(last, "mig/src/main");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    assert_eq!(observer.info().dirty_sync_count, 0, "it was in its first pass");
    assert_eq!(told.stop.load(Ordering::SeqCst), 0, "the machine never stopped");
}

/// Everything is always dirty, no pass is the last, and the peer takes it all.
#[test]
fn shutdown_with_a_thread_in_passes_that_never_end() {
    let _turn = my_turn();
    let mut thread = attach();
    for (what, max_bandwidth) in [("a pass at full speed", 0), ("a pass at 1 MiB/s", 1 << 20)] {
        let (synced, third) = mpsc::channel();
        let synced = Mutex::new(synced);
        let sync = Box::new(move |dirty: &mut migration::DirtyBitmap| {
            for word in 0..dirty.pages().div_ceil(64) {
                dirty.merge(word, u64::MAX);
            }
            // The test may have heard enough.
            let _ = lock(&synced).send(());
        });
        let (host, told, machine) =
            mortal(MANY_PAGES, Hooks { sync: Some(sync), ..Hooks::default() });
        let mut bql = thread.lock();
        let (object, life, observer) = init(&mut bql, host);
        let never = MigrationParameters {
            downtime_limit: Duration::ZERO,
            max_bandwidth: 0,
            ..Default::default()
        };
        migration::set_parameters(&bql, never).expect("parameters in their range");
        begin_to_reader(&mut bql);
        bql.unlocked(|_| {
            for _ in 0..3 {
                third.recv_timeout(DEADLINE).expect("pass after pass");
            }
        });
        // A pass at the lower speed takes eight seconds.
        migration::set_parameters(&bql, MigrationParameters { max_bandwidth, ..never })
            .expect("parameters in their range");
        assert!(migration::is_active(&bql), "{what}");
        let last = shut_down_in(what, object, &mut bql, &life, &machine);
        assert_eq!(last, "mig/src/main");
        assert_eq!(observer.status(), MigrationStatus::Cancelled);
        assert_eq!(told.stop.load(Ordering::SeqCst), 0, "{what}: it never was the last");
    }
}

/// The test holds the BQL, and the thread needs it: for its notifiers at first, to stop the
/// machine later.
#[test]
fn shutdown_with_a_thread_that_waits_for_the_bql() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (host, told, machine) = mortal(4, Hooks::default());
    let (object, life, observer) = init(&mut bql, host);
    begin_to_reader(&mut bql);
    let last = shut_down_in("waiting for the BQL at setup", object, &mut bql, &life, &machine);
    assert_eq!(last, "mig/src/main");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    assert_eq!(told.stop.load(Ordering::SeqCst), 0);

    let (_opened, gate) = gate();
    let passes = Arc::clone(&gate);
    let sync = Box::new(move |_: &mut migration::DirtyBitmap| passes.pass());
    let (host, told, machine) = mortal(4, Hooks { sync: Some(sync), ..Hooks::default() });
    let (object, life, observer) = init(&mut bql, host);
    begin_to_reader(&mut bql);
    bql.unlocked(|_| gate.wait_for(1));
    // The last pass is over; with the BQL held here it comes as far as the lock.
    gate.open();
    let last = shut_down_in("waiting for the BQL at the end", object, &mut bql, &life, &machine);
    assert_eq!(last, "mig/src/main");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    assert_eq!(count(&told.stop), count(&told.resume), "a machine that was stopped went on");
    assert_eq!(count(&told.moved), 0);
}

/// An incoming migration in each of its waits: for a source, for its first byte, for the rest.
#[test]
fn shutdown_with_an_incoming_migration_half_way() {
    let _turn = my_turn();
    let mut thread = attach();
    let folder = TempDir::new().expect("a folder");
    let mut head = Vec::new();
    FileHeader.encode(&mut head);
    let cases = [
        ("incoming, nobody has connected", None),
        ("incoming, nothing was sent", Some(&[][..])),
        ("incoming, half way", Some(&head[..])),
    ];
    for (what, sent) in cases {
        let (host, told, machine) = mortal_in(RunState::InMigrate, 4, Hooks::default());
        let mut bql = thread.lock();
        let (object, life, _) = init(&mut bql, host);
        let incoming = observer(&bql, Direction::Incoming);
        let _peer = match sent {
            None => {
                let uri = Uri::Unix(folder.path().join("socket"));
                migration::migrate_incoming(&mut bql, uri.into()).expect("an idle object");
                None
            }
            Some(sent) => {
                let (endpoint, mut peer) = pair();
                peer.write_all(sent).expect("room in a socket");
                migration::migrate_incoming(&mut bql, endpoint).expect("an idle object");
                Some(peer)
            }
        };
        bql.unlocked(|thread| {
            incoming.wait(thread, DEADLINE, |status, info| {
                status == MigrationStatus::Active || info.socket_address.is_some()
            })
        });
        let last = shut_down_in(what, object, &mut bql, &life, &machine);
        assert_eq!(last, "mig/dst/main", "{what}");
        assert_eq!(incoming.status(), MigrationStatus::Cancelled, "{what}");
        assert_eq!(told.arrived.load(Ordering::SeqCst), 0, "{what}: the machine is not here");
    }
    assert_eq!(folder.path().read_dir().expect("the folder").count(), 0, "no socket is left");
}

/// A cancel, then shutdown, at some moment of a migration that comes to its end by itself: it
/// ends one way or the other, and the machine is on one side.
#[test]
fn shutdown_with_a_cancel_that_races_with_completion() {
    let _turn = my_turn();
    let mut thread = attach();
    let (mut completed, mut cancelled) = (0, 0);
    let mut slowest = Duration::ZERO;
    let rounds = 200;
    for round in 0..rounds {
        let (host, told, machine) = mortal(2, Hooks::default());
        let mut bql = thread.lock();
        let (object, life, observer) = init(&mut bql, host);
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        let endpoint = |end: UnixStream| migration::Endpoint::with_fd(Uri::Fd(0), end.into());
        let (destination_host, arrived) = machine_in(RunState::InMigrate, 2, Hooks::default());
        let destination = MigrationState::new(destination_host).expect("an object");
        engine::migrate_incoming(destination.counted(), &mut bql, endpoint(there)).expect("idle");
        migration::migrate(&mut bql, endpoint(here)).expect("an idle object");
        drop(bql);
        // From at once to well after the end.
        let moment = Instant::now() + Duration::from_micros(10 * round);
        while Instant::now() < moment {
            thread::yield_now();
        }
        let mut bql = thread.lock();
        let over = migration::is_idle(&bql);
        migration::cancel(&mut bql, Direction::Outgoing);
        let asked = Instant::now();
        drop(migration::shutdown(object, &mut bql));
        drop(bql);
        gone(&life, &mut thread);
        slowest = slowest.max(asked.elapsed());
        machine.recv_timeout(DEADLINE).expect("the machine goes too");
        let incoming = end(&destination.observer(Direction::Incoming), &mut thread);

        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        let moved = match observer.status() {
            MigrationStatus::Completed => 1,
            status => {
                assert_eq!(status, MigrationStatus::Cancelled, "round {round}");
                assert!(!over, "round {round}: it was over, and was not cancelled");
                0
            }
        };
        completed += moved;
        cancelled += 1 - moved;
        assert_eq!(count(&told.moved), moved, "round {round}");
        assert_eq!(count(&told.stop), moved + count(&told.resume), "round {round}");
        assert_eq!(count(&arrived.arrived), moved, "round {round}: it is on one side");
        assert_eq!(incoming == MigrationStatus::Completed, moved == 1, "round {round}");
    }
    println!(
        "a cancel that races: {completed} completed, {cancelled} cancelled, \
         the object was gone in {slowest:?} at most"
    );
}

/// The right to shut down cannot come into a notifier: it stays on its thread
/// (`outside/fail/E0277_right_on_another_thread.rs`), and a closure that is called again cannot
/// give it away (`locks/fail/E0507_retire_from_a_repeatable_closure.rs`). What can happen is
/// that main shuts down while a notifier has released the BQL.
#[test]
fn shutdown_while_a_notifier_has_released_the_bql() {
    let _turn = my_turn();
    let mut thread = attach();
    for held in [MigrationEvent::PrecopySetup, MigrationEvent::PrecopyFailed] {
        let (_opened, gate) = gate();
        let mut bql = thread.lock();
        let passes = Arc::clone(&gate);
        let noted = Arc::<Mutex<Vec<_>>>::default();
        let notes = Arc::clone(&noted);
        let notifier = migration::add_notifier(&mut bql, move |bql, event| {
            let before = migration::is_running(bql);
            if event == held {
                bql.unlocked(|_| passes.pass());
            }
            lock(&notes).push((event, before, migration::is_running(bql)));
            Ok(())
        });
        let (host, _, machine) = mortal(MANY_PAGES, Hooks::default());
        let (object, life, observer) = init(&mut bql, host);
        let peer = begin(&mut bql);
        if held == MigrationEvent::PrecopyFailed {
            drop(peer);
            bql.unlocked(|_| gate.wait_for(1));
        } else {
            bql.unlocked(|_| gate.wait_for(1));
            drop(peer);
        }
        let asked = Instant::now();
        drop(migration::shutdown(object, &mut bql));
        assert!(!is_dropped(&life), "the notifier is in the middle of it");
        gate.open();
        assert_eq!(bql.unlocked(|thread| gone(&life, thread)), "mig/src/main");
        println!("while a notifier at {held:?} waits: gone in {:?}", asked.elapsed());
        assert_eq!(machine.recv_timeout(DEADLINE).as_deref(), Ok("mig/src/main"));
        // What has failed by itself and is cleaned up cannot be cancelled any more.
        let before = held == MigrationEvent::PrecopyFailed;
        let ends = if before { MigrationStatus::Failed } else { MigrationStatus::Cancelled };
        assert_eq!(observer.status(), ends);
        let last = lock(&noted).last().copied();
        assert_eq!(last, Some((MigrationEvent::PrecopyFailed, before, false)));
        drop(notifier);
    }
}

/// A notifier may make an object of its own when there is none, and shut that down: the right
/// is made and used on one thread.
#[test]
fn shutdown_inside_a_notifier_of_the_object_that_it_made() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let inner = Arc::<Mutex<Option<Life>>>::default();
    let made = Arc::clone(&inner);
    let notifier = migration::add_notifier(&mut bql, move |bql, event| {
        if event == MigrationEvent::PrecopyFailed && lock(&made).is_none() {
            let (object, life, _) = init(bql, still(1));
            assert!(!migration::thread_is_self(bql), "not the thread of this object");
            drop(migration::shutdown(object, bql));
            *lock(&made) = Some(life);
        }
        Ok(())
    });
    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    drop(migration::shutdown(object, &mut bql));
    drop(bql);
    assert_eq!(gone(&life, &mut thread), "mig/src/main");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    let inner = lock(&inner).take().expect("the second object");
    assert_eq!(gone(&inner, &mut thread), "mig/src/main", "dropped where it was made");
    drop(notifier);
}

/// Ours, not QEMU's: a cancel that gets the BQL just when cleanup is done. The end is published
/// before anybody else has the lock, so it comes too early or too late, and never in between.
#[test]
fn a_cancel_as_cleanup_ends_comes_before_the_end_or_after() {
    let _turn = my_turn();
    let mut thread = attach();
    let cleaning = Arc::new(AtomicUsize::new(0));
    let cleans = Arc::clone(&cleaning);
    let notifier = migration::add_notifier(&mut thread.lock(), move |_, event| {
        if event == MigrationEvent::PrecopyFailed {
            cleans.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    for direction in [Direction::Outgoing, Direction::Incoming] {
        for round in 0..200 {
            let mut bql = thread.lock();
            let state = match direction {
                Direction::Outgoing => RunState::Running,
                Direction::Incoming => RunState::InMigrate,
            };
            let host = machine_in(state, 1, Hooks::default()).0;
            let (object, life, _) = init(&mut bql, host);
            let observer = observer(&bql, direction);
            let nowhere = Uri::Unix("/nowhere/socket".into());
            cleaning.store(0, Ordering::SeqCst);
            match direction {
                Direction::Outgoing => migration::migrate(&mut bql, nowhere.into()),
                Direction::Incoming => migration::migrate_incoming(&mut bql, nowhere.into()),
            }
            .expect("an idle object");
            drop(bql);
            // An outgoing migration holds the BQL from its notifier on.
            let cleans_up = || cleaning.load(Ordering::SeqCst) != 0 || !observer.is_running();
            while direction == Direction::Outgoing && !cleans_up() {
                thread::yield_now();
            }
            migration::cancel(&mut thread.lock(), direction);
            shut_down(object, &mut thread, &life);
            let history = observer.history();
            // Seen as `cancelling` it may have come too late all the same.
            let ends: &[MigrationStatus] = match history.contains(&MigrationStatus::Cancelling) {
                true => &[MigrationStatus::Cancelled, MigrationStatus::Failed],
                false => &[MigrationStatus::Failed],
            };
            let last = history.last().expect("it has begun");
            assert!(ends.contains(last), "{direction:?} {round}: {history:?}");
        }
    }
    drop(notifier);
}

/// Ours, not QEMU's: a machine without memory has nothing to send again and again.
#[test]
fn a_machine_without_memory_moves_and_can_be_cancelled() {
    struct NoMemory;
    impl migration::Vm for NoMemory {
        fn run_state(&self, _bql: &BqlGuard<'_>) -> migration::RunState {
            migration::RunState::Running
        }
        fn stop_for_migration(&self, _bql: &mut BqlGuard<'_>) -> migration::RunState {
            migration::RunState::Running
        }
        fn resume_after_failure(&self, _bql: &mut BqlGuard<'_>, _: &migration::VmStopped) {}
        fn has_moved(&self, _bql: &mut BqlGuard<'_>, _: &migration::VmStopped) {}
        fn has_arrived(&self, _bql: &mut BqlGuard<'_>, _: &migration::VmArrived) {}
    }
    let _turn = my_turn();
    let mut thread = attach();
    let host = || Host::new("bare", NoMemory);
    let (object, life, observer) = init(&mut thread.lock(), host());
    let null = Uri::File { path: "/dev/null".into(), offset: 0 };
    migration::migrate(&mut thread.lock(), null.into()).expect("an idle object");
    let status =
        observer.wait(&mut thread, Duration::from_secs(5), |status, _| status.is_terminal());
    // A thread that goes round for ever is shut down before the test says so.
    drop(migration::shutdown(object, &mut thread.lock()));
    let gone = life.wait_until_dropped(&mut thread, Duration::from_secs(5));
    let passes = observer.info().dirty_sync_count;
    assert_eq!((status, gone), (MigrationStatus::Completed, true), "after {passes} passes");
}

/// Ours, not QEMU's: the parameter `mode` is of the next migration, and who heard that this one
/// began hears how it ended.
#[test]
fn a_mode_set_while_one_runs_does_not_take_the_end_from_its_notifiers() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let heard = Arc::<Mutex<Vec<MigrationEvent>>>::default();
    let hears = Arc::clone(&heard);
    let notifier = migration::add_notifier(&mut bql, move |_, event| {
        lock(&hears).push(event);
        Ok(())
    });
    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| wait_until(&observer, thread, MigrationStatus::Active));
    let next = MigrationParameters { mode: migration::MigMode::CprReboot, ..Default::default() };
    migration::set_parameters(&bql, next).expect("parameters in their range");
    drop(bql);
    shut_down(object, &mut thread, &life);
    drop(notifier);
    let heard = lock(&heard).clone();
    assert_eq!(heard, [MigrationEvent::PrecopySetup, MigrationEvent::PrecopyFailed]);
}

/// Ours, not QEMU's: who waits for the end of an object may use its machine's file next.
#[test]
fn the_end_of_an_object_is_told_when_its_machine_is_gone() {
    let _turn = my_turn();
    let mut thread = attach();
    let told = Arc::<Mutex<Option<Life>>>::default();
    let (asks, (sender, receiver)) = (Arc::clone(&told), mpsc::channel());
    let dropped = move || {
        let life = lock(&asks).take().expect("the life of its object");
        // A test that has failed does not listen.
        let _ = sender.send(is_dropped(&life));
    };
    let hooks = Hooks { dropped: Some(Box::new(dropped)), ..Hooks::default() };
    let (object, life, _) = init(&mut thread.lock(), machine(1, hooks).0);
    lock(&told).replace(life.clone());
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(&mut thread);
    assert_eq!(receiver.try_recv(), Ok(false), "the machine goes first");
    assert!(is_dropped(&life));
}
