//! Several threads at once, and what holds whatever they do to each other.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use migration::MigrationStatus::{None as Nothing, PreSwitchover};
use migration::bql::BqlGuard;
use migration::{
    Blocker, CommandError, Direction, MigMode, MigrationCapabilities, MigrationEvent,
    MigrationParameters, Notifier, Observer, RunState, Uri,
};
use test_support::machine::attach;
use test_support::peer::pair;
use test_support::wait::DEADLINE;

use super::attempt::assert_claimed;
use super::model::{BOTH, assert_one_life};
use super::random::{MODES, Random, SaySeed, seeds};
use crate::machines::{does, obliging_machine};
use crate::turn::{Lost, my_turn, object_init, shutdown};

/// How many rounds are played.
const ROUNDS: u64 = 1000;

/// What holds at any time, whatever other threads do.
#[track_caller]
fn check_at_any_time(bql: &mut BqlGuard<'_>, random: &mut Random, kept: &mut Vec<Observer>) {
    let running = migration::is_running(bql);
    assert_eq!(migration::is_idle(bql), !running);
    assert!(!migration::thread_is_self(bql));
    assert!(running || !migration::is_setup_or_active(bql));
    assert!(running || !migration::is_active(bql) && !migration::is_device(bql));
    assert!(!(migration::is_active(bql) && migration::is_device(bql)));
    assert_eq!(migration::announce_params(bql), migration::parameters(bql).announce);
    let observer = migration::observer(bql, Direction::Outgoing);
    assert_eq!(observer.is_some(), migration::life(bql).is_some());
    if let Some(observer) = observer {
        assert_eq!(observer.is_running(), running);
        assert!(!(observer.status().is_terminal() && migration::is_running(bql)));
        kept.push(observer);
        if kept.len() > 4 {
            kept.swap_remove(random.below(4) as usize);
        }
    } else {
        assert!(!running, "nothing runs without an object");
        assert_eq!(migration::capabilities(bql), MigrationCapabilities::default());
    }
    assert_eq!(migration::is_running(bql), running, "the BQL was held all the time");
}

/// One random operation of a thread that is not the owner.
#[track_caller]
fn act(bql: &mut BqlGuard<'_>, random: &mut Random, held: &mut Held) {
    let running = migration::is_running(bql);
    let exists = migration::life(bql).is_some();
    match random.below(10) {
        0 | 1 => {
            let (endpoint, end) = pair();
            let endpoint = match random.below(3) {
                0 => endpoint,
                1 => Uri::File { path: "/dev/null".into(), offset: 0 }.into(),
                _ => Uri::Unix("/nowhere/socket".into()).into(),
            };
            does(RunState::Running);
            match migration::migrate(bql, endpoint) {
                Ok(()) => {
                    assert!(exists && !running);
                    assert!(migration::is_setup_or_active(bql) && !migration::is_device(bql));
                    held.ends.push(end);
                }
                Err(CommandError::NoObject) => assert!(!exists),
                Err(CommandError::Refused(_)) => assert!(exists),
                Err(error) => panic!("{error:?}"),
            }
        }
        2 => {
            does(RunState::InMigrate);
            match migration::migrate_incoming(bql, pair().0) {
                Ok(()) => assert!(exists && !running),
                Err(CommandError::NoObject) => assert!(!exists),
                Err(CommandError::Refused(_)) => assert!(exists),
                Err(error) => panic!("{error:?}"),
            }
        }
        3 => {
            let word = migration::file_set_error(bql, "a word".into());
            assert!(running || word.is_err(), "nobody takes it");
        }
        4 => {
            migration::cancel(bql, Direction::Outgoing);
            assert_eq!(migration::is_running(bql), running, "it does not wait");
            migration::cancel(bql, Direction::Incoming);
        }
        5 => match migration::add_blocker_modes(bql, random.modes(), "a reason") {
            Ok(blocker) => {
                assert!(!running);
                held.blockers.push(blocker);
            }
            Err(CommandError::Busy { .. }) => assert!(running),
            Err(error) => panic!("{error:?}"),
        },
        6 => {
            held.blockers.clear();
            held.notifiers.pop();
        }
        7 => {
            let (releases, refuses) = (random.flip(), random.below(8) == 0);
            held.notifiers.push(migration::add_notifier_modes(
                bql,
                random.modes(),
                move |bql, event| {
                    let object = migration::life(bql).is_some();
                    assert_eq!(migration::is_idle(bql), !migration::is_running(bql));
                    assert!(object || !migration::thread_is_self(bql));
                    if releases {
                        bql.unlocked(|_| thread::yield_now());
                        migration::cancel(bql, Direction::Outgoing);
                    }
                    match event {
                        MigrationEvent::PrecopySetup if refuses => Err("not now".into()),
                        _ => Ok(()),
                    }
                },
            ));
        }
        8 => {
            let pause = MigrationCapabilities {
                pause_before_switchover: random.below(4) == 0,
                ..Default::default()
            };
            assert!(migration::set_capabilities(bql, pause).is_err() || exists && !running);
            let _ = migration::migrate_continue(bql, PreSwitchover);
        }
        _ => {
            let parameters = MigrationParameters {
                max_bandwidth: random.below(1 << 30),
                mode: if random.below(4) == 0 { random.one(&MODES) } else { MigMode::Normal },
                ..Default::default()
            };
            assert_eq!(migration::set_parameters(bql, parameters).is_ok(), exists);
        }
    }
}

/// What a thread owns of the face.
#[derive(Default)]
struct Held {
    ends: Vec<UnixStream>,
    blockers: Vec<Blocker>,
    notifiers: Vec<Notifier>,
    observers: Vec<Observer>,
}

/// Panics of notifiers are caught by the engine; here they are not lost.
fn count_panics() -> Arc<AtomicUsize> {
    let count = Arc::<AtomicUsize>::default();
    let (counts, before) = (Arc::clone(&count), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        counts.fetch_add(1, Ordering::SeqCst);
        before(panic);
    }));
    count
}

fn other_thread(seed: u64, over: &AtomicBool) {
    let mut random = Random(seed);
    let mut thread = attach();
    let mut held = Held::default();
    while !over.load(Ordering::SeqCst) {
        let mut bql = thread.lock();
        check_at_any_time(&mut bql, &mut random, &mut held.observers);
        act(&mut bql, &mut random, &mut held);
        check_at_any_time(&mut bql, &mut random, &mut held.observers);
        if random.flip() {
            bql.unlocked(|_| thread::yield_now());
            check_at_any_time(&mut bql, &mut random, &mut held.observers);
        }
        drop(bql);
        // An observer needs no lock.
        for observer in &held.observers {
            assert_claimed(Direction::Outgoing, &observer.history());
            let info = observer.info();
            assert!(info.remaining <= info.total, "{info:?}");
        }
        thread::yield_now();
    }
}

/// Makes objects and shuts them down, while others use the face.
fn owner(seed: u64) {
    let mut random = Random(seed);
    let _lost = Lost;
    let mut thread = attach();
    let (mut lives, mut kept) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let mut bql = thread.lock();
        let host = obliging_machine(2).0;
        let object = object_init(&mut bql, host).expect("only this thread makes one");
        let life = migration::life(&bql).expect("an object that was made");
        kept.extend(BOTH.map(|d| migration::observer(&bql, d).expect("an object")));
        lives.push(life);
        for _ in 0..random.below(12) {
            bql.unlocked(|_| thread::yield_now());
            check_at_any_time(&mut bql, &mut random, &mut Vec::new());
        }
        let retired = shutdown(object, &mut bql);
        assert!(migration::is_idle(&bql) && migration::life(&bql).is_none());
        if random.flip() {
            drop(bql);
        }
        drop(retired);
    }
    for life in &lives {
        assert!(life.wait_until_dropped(&mut thread, DEADLINE), "{:?}", life.events());
        assert_one_life(life);
    }
    for observer in kept {
        let status = observer.status();
        assert!(status == Nothing || status.is_terminal(), "{status} for ever");
    }
}

#[test]
fn several_threads_at_once_get_answers_that_agree() {
    let _turn = my_turn();
    let panics = count_panics();
    let (began, seeds) = (Instant::now(), seeds(ROUNDS));
    for &seed in &seeds {
        let _say = SaySeed(seed, Arc::default());
        let over = Arc::<AtomicBool>::default();
        let (done, finished) = mpsc::channel();
        let mut threads = Vec::new();
        for number in 0..4 {
            let (done, over) = (done.clone(), Arc::clone(&over));
            let seed = Random(seed ^ number << 32).next();
            threads.push(thread::spawn(move || {
                if number == 0 {
                    let _over = SetAtEnd(over);
                    owner(seed);
                } else {
                    other_thread(seed, &over);
                }
                drop(done);
            }));
        }
        drop(done);
        // A channel nobody can send on any more: every thread has ended.
        let ended: Result<(), _> = finished.recv_timeout(2 * DEADLINE);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected), "somebody is stuck");
        for thread in threads {
            assert!(thread.join().is_ok(), "a thread panicked");
        }
        assert_eq!(panics.load(Ordering::SeqCst), 0, "a notifier panicked");
    }
    let took: Duration = began.elapsed();
    println!("{} rounds of 4 threads in {took:?}", seeds.len());
}

struct SetAtEnd(Arc<AtomicBool>);

impl Drop for SetAtEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
