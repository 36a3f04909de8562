//! The outside face through the life of a migration object: before there is one, while it
//! migrates, after its shutdown while its thread runs, and when the last count is gone.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{
    AnnounceParameters, CommandError, Direction, Endpoint, Host, InitError, Life, LifeEventKind,
    MigModes, MigrationCapabilities, MigrationEvent, MigrationParameters, MigrationStatus, Retired,
    RunState, Uri, error_chain,
};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Script, attach};
use test_support::peer::pair;
use test_support::wait::DEADLINE;

use crate::gate::hold_at_the_end;
use crate::machines::{machine, machine_in};
use crate::turn::{Owned, my_turn, object_init, shutdown};

fn host() -> Host {
    machine(MANY_PAGES, Script::default()).0
}

/// Two descriptors that no migration gets as far as using.
fn unused() -> Endpoint {
    Endpoint::from(Uri::Fd(0))
}

#[track_caller]
fn init(bql: &mut BqlGuard<'_>) -> (Owned, Life) {
    init_of(bql, host())
}

#[track_caller]
fn init_of(bql: &mut BqlGuard<'_>, host: Host) -> (Owned, Life) {
    let object = object_init(bql, host).expect("no object yet");
    (object, migration::life(bql).expect("the life of the object"))
}

/// Shuts down, gives the owner's count back, and waits until the object is gone.
#[track_caller]
fn shut_down(object: Owned, thread: &mut BqlUnlocked, life: &Life) {
    drop(shutdown(object, &mut thread.lock()));
    assert!(life.wait_until_dropped(thread, DEADLINE), "not dropped: {:?}", life.events());
}

#[track_caller]
fn begin(bql: &mut BqlGuard<'_>) -> UnixStream {
    let (endpoint, peer) = pair();
    migration::migrate(bql, endpoint).expect("an idle object");
    peer
}

/// Asks every function of the face, and compares with the answer that is right when there is no
/// migration object.
#[track_caller]
fn assert_answers_without_an_object(bql: &mut BqlGuard<'_>, when: &str) {
    let questions = [
        ("is_running", migration::is_running(bql), false),
        ("is_idle", migration::is_idle(bql), true),
        ("is_setup_or_active", migration::is_setup_or_active(bql), false),
        ("is_active", migration::is_active(bql), false),
        ("is_device", migration::is_device(bql), false),
        ("thread_is_self", migration::thread_is_self(bql), false),
        ("observer", migration::observer(bql, Direction::Outgoing).is_some(), false),
        ("observer", migration::observer(bql, Direction::Incoming).is_some(), false),
        ("life", migration::life(bql).is_some(), false),
    ];
    for (name, answer, expected) in questions {
        assert_eq!(answer, expected, "{name} {when}");
    }
    assert_eq!(migration::parameters(bql), MigrationParameters::default(), "{when}");
    assert_eq!(migration::announce_params(bql), AnnounceParameters::default(), "{when}");
    assert_eq!(migration::capabilities(bql), MigrationCapabilities::default(), "{when}");
    assert!(migration::blocked_reasons(bql).is_empty(), "{when}");

    let commands = [
        ("set_parameters", migration::set_parameters(bql, MigrationParameters::default())),
        ("set_capabilities", migration::set_capabilities(bql, MigrationCapabilities::default())),
        ("migrate", migration::migrate(bql, unused())),
        ("migrate_incoming", migration::migrate_incoming(bql, unused())),
        (
            "migrate_continue",
            migration::migrate_continue(bql, migration::MigrationStatus::PreSwitchover),
        ),
        ("cont", migration::cont(bql)),
        ("confirm_moved", migration::confirm_moved(bql)),
    ];
    for (name, answer) in commands {
        assert!(matches!(answer, Err(CommandError::NoObject)), "{name} {when}: {answer:?}");
    }
    for direction in [Direction::Outgoing, Direction::Incoming] {
        migration::cancel(bql, direction);
    }
    let word = migration::file_set_error(bql, "a device cannot go on".into());
    assert_eq!(word, Err("a device cannot go on".to_owned()), "{when}");

    let blockers = [
        ("add_blocker", migration::add_blocker(bql, "why")),
        ("add_blocker_normal", migration::add_blocker_normal(bql, "why")),
        ("add_blocker_modes", migration::add_blocker_modes(bql, MigModes::ALL, "why")),
        ("add_blocker_internal", migration::add_blocker_internal(bql, "why")),
    ];
    for (name, blocker) in &blockers {
        assert!(blocker.is_ok(), "{name} {when}: {blocker:?}");
    }
    assert_eq!(migration::blocked_reasons(bql), ["why"; 4], "{when}");
    drop(blockers);
    assert!(migration::blocked_reasons(bql).is_empty(), "{when}");

    migration::set_only_migratable(bql, true);
    let refused = migration::add_blocker(bql, "why");
    assert!(matches!(refused, Err(CommandError::OnlyMigratable(_))), "{when}: {refused:?}");
    migration::set_only_migratable(bql, false);

    drop(migration::add_notifier(bql, |_, _| Ok(())));
    drop(migration::add_notifier_modes(bql, MigModes::ALL, |_, _| Ok(())));
}

#[test]
fn every_function_answers_safely_without_an_object() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    assert_answers_without_an_object(&mut bql, "before init");

    let (_notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life) = init(&mut bql);
    let parameters = MigrationParameters { max_bandwidth: 1 << 30, ..Default::default() };
    migration::set_parameters(&bql, parameters).expect("parameters in their range");
    let _peer = begin(&mut bql);
    let retired = shutdown(object, &mut bql);
    bql.unlocked(|_| gate.wait_for(1));
    assert_answers_without_an_object(&mut bql, "after shutdown while the thread runs");
    drop(retired);
    assert_answers_without_an_object(&mut bql, "when the thread has the last count");
    assert!(life.events().iter().all(|event| event.what != LifeEventKind::Dropped));

    gate.open();
    assert!(bql.unlocked(|thread| life.wait_until_dropped(thread, DEADLINE)));
    assert_answers_without_an_object(&mut bql, "when the object is gone");
}

#[test]
fn an_object_answers_for_itself_as_long_as_it_is_exported() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (object, life) = init(&mut bql);
    assert!(!migration::is_running(&bql) && migration::is_idle(&bql));
    let parameters = MigrationParameters { max_bandwidth: 1 << 30, ..Default::default() };
    migration::set_parameters(&bql, parameters).expect("parameters in their range");
    assert_eq!(migration::parameters(&bql), parameters);
    let observer = migration::observer(&bql, Direction::Outgoing).expect("an observer");
    assert_eq!(observer.status(), MigrationStatus::None);

    let peer = begin(&mut bql);
    assert!(migration::is_running(&bql) && observer.is_running());
    assert!(migration::is_setup_or_active(&bql) && !migration::is_idle(&bql));
    assert!(!migration::thread_is_self(&bql), "this is not the migration thread");
    let busy = migration::add_blocker(&mut bql, "too late");
    assert!(matches!(busy, Err(CommandError::Busy { .. })), "{busy:?}");
    let second = migration::migrate(&mut bql, unused());
    assert!(matches!(second, Err(CommandError::Refused(_))), "{second:?}");
    let incoming = migration::migrate_incoming(&mut bql, unused());
    assert!(matches!(incoming, Err(CommandError::Refused(_))), "{incoming:?}");
    let capabilities = migration::set_capabilities(
        &bql,
        MigrationCapabilities { pause_before_switchover: true, ..Default::default() },
    );
    assert!(matches!(capabilities, Err(CommandError::Refused(_))), "{capabilities:?}");

    migration::cancel(&mut bql, Direction::Outgoing);
    assert!(migration::is_running(&bql), "it is being cleaned up");
    assert!(!migration::is_setup_or_active(&bql), "it was cancelled");
    drop(bql);
    let status = observer.wait(&mut thread, DEADLINE, |status, _| status.is_terminal());
    assert_eq!(status, MigrationStatus::Cancelled);
    assert!(migration::is_idle(&thread.lock()));
    drop(peer);
    shut_down(object, &mut thread, &life);
}

#[test]
fn a_device_that_cannot_go_on_fails_the_migration_with_its_word() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (object, life) = init(&mut bql);
    let nobody = migration::file_set_error(&mut bql, "too early".into());
    assert_eq!(nobody, Err("too early".to_owned()), "there is no migration to fail");

    let observer = migration::observer(&bql, Direction::Outgoing).expect("an observer");
    let peer = begin(&mut bql);
    migration::file_set_error(&mut bql, "the card is stuck".into()).expect("one runs");
    drop(bql);
    let status = observer.wait(&mut thread, DEADLINE, |status, _| status.is_terminal());
    assert_eq!(status, MigrationStatus::Failed);
    let error = error_chain(&*observer.error().expect("an error"));
    assert!(error.contains("the card is stuck"), "{error}");
    drop(peer);
    shut_down(object, &mut thread, &life);
}

#[test]
fn a_notifier_may_call_every_helper_and_they_know_the_thread() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    type Answers = Vec<(MigrationEvent, [bool; 4])>;
    let answers: Arc<Mutex<Answers>> = Arc::default();
    let noted = Arc::clone(&answers);
    let _notifier = migration::add_notifier(&mut bql, move |bql, event| {
        let now = [
            migration::is_running(bql),
            migration::thread_is_self(bql),
            migration::observer(bql, Direction::Outgoing).is_some(),
            migration::add_blocker(bql, "too late").is_err(),
        ];
        noted.lock().unwrap_or_else(PoisonError::into_inner).push((event, now));
        Ok(())
    });
    let (object, life) = init(&mut bql);
    let observer = migration::observer(&bql, Direction::Outgoing).expect("an observer");

    // It ends by itself, and the object is still there.
    let peer = begin(&mut bql);
    drop(peer);
    drop(bql);
    observer.wait(&mut thread, DEADLINE, |status, _| status.is_terminal());
    // It ends because of the shutdown, and the object is not there any more.
    let mut bql = thread.lock();
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| {
        observer.wait(thread, DEADLINE, |status, _| status == MigrationStatus::Active)
    });
    drop(bql);
    shut_down(object, &mut thread, &life);

    let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(
        *answers,
        [
            (MigrationEvent::PrecopySetup, [true; 4]),
            (MigrationEvent::PrecopyFailed, [true; 4]),
            (MigrationEvent::PrecopySetup, [true; 4]),
            (MigrationEvent::PrecopyFailed, [false; 4]),
        ]
    );
}

#[test]
fn blockers_and_notifiers_outlive_the_objects_on_both_ends() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let count = Arc::new(Mutex::new(0));
    let counts = Arc::clone(&count);
    let told = || *count.lock().unwrap_or_else(PoisonError::into_inner);
    // Added before there is an object.
    let notifier = migration::add_notifier(&mut bql, move |_, event| {
        if event == MigrationEvent::PrecopySetup {
            *counts.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        Ok(())
    });
    let mut blocker = migration::add_blocker(&mut bql, "a disk").expect("no migration runs");

    for round in 1..=2 {
        let (object, life) = init(&mut bql);
        assert_eq!(migration::blocked_reasons(&mut bql), ["a disk"], "object {round}");
        let (endpoint, _peer) = pair();
        let refused = migration::migrate(&mut bql, endpoint).expect_err("blocked");
        assert_eq!(refused.to_string(), "migration is blocked: a disk", "object {round}");

        drop(blocker);
        let peer = begin(&mut bql);
        drop(peer);
        let observer = migration::observer(&bql, Direction::Outgoing).expect("an observer");
        bql.unlocked(|thread| observer.wait(thread, DEADLINE, |status, _| status.is_terminal()));
        assert_eq!(told(), round, "each object tells it, once");

        // Added to this object, and seen by the next one.
        blocker = migration::add_blocker(&mut bql, "a disk").expect("no migration runs");
        drop(bql);
        shut_down(object, &mut thread, &life);
        bql = thread.lock();
        assert_eq!(migration::blocked_reasons(&mut bql), ["a disk"], "after object {round}");
    }

    // Removed when no object is left.
    drop((blocker, notifier));
    assert!(migration::blocked_reasons(&mut bql).is_empty());
    let (object, life) = init(&mut bql);
    let observer = migration::observer(&bql, Direction::Outgoing).expect("an observer");
    drop(begin(&mut bql));
    bql.unlocked(|thread| observer.wait(thread, DEADLINE, |status, _| status.is_terminal()));
    assert_eq!(told(), 2, "it is gone");
    drop(bql);
    shut_down(object, &mut thread, &life);
}

#[test]
fn a_second_object_waits_for_the_shutdown_of_the_first_and_not_for_its_thread() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (_notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (first, first_life) = init(&mut bql);
    let first_observer = migration::observer(&bql, Direction::Outgoing).expect("an observer");
    let _peer = begin(&mut bql);

    let refused = object_init(&mut bql, host()).expect_err("there is one");
    assert!(matches!(refused, InitError::Exists), "{refused:?}");
    assert!(migration::is_running(&bql), "the first object does not notice");
    assert_eq!(
        first_life.events().iter().filter(|e| e.what == LifeEventKind::Published).count(),
        1
    );

    drop(shutdown(first, &mut bql));
    bql.unlocked(|_| gate.wait_for(1));
    let (second, second_life) = init(&mut bql);
    assert!(first_observer.is_running(), "the first one's thread has not cleaned up");
    assert!(migration::is_idle(&bql), "the second has nothing to do with it");
    let second_observer = migration::observer(&bql, Direction::Outgoing).expect("an observer");
    assert_eq!(second_observer.status(), MigrationStatus::None);
    let started = migration::migrate(&mut bql, Uri::Unix("/nowhere/socket".into()).into());
    assert!(started.is_ok(), "{started:?}");
    bql.unlocked(|_| gate.wait_for(2));

    // Each thread ends its own migration.
    gate.open();
    drop(bql);
    assert!(first_life.wait_until_dropped(&mut thread, DEADLINE), "{:?}", first_life.events());
    second_observer.wait(&mut thread, DEADLINE, |status, _| status.is_terminal());
    assert_eq!(first_observer.status(), MigrationStatus::Cancelled);
    assert_eq!(second_observer.status(), MigrationStatus::Failed);
    shut_down(second, &mut thread, &second_life);
}

#[test]
fn shutdown_does_not_wait_for_a_peer_and_the_migration_thread_drops_the_object() {
    let folder = TempDir::new().expect("a folder");
    type Begin = fn(&mut BqlGuard<'_>, &TempDir) -> Option<UnixStream>;
    let ways: [(Direction, RunState, &str, Begin); 2] = [
        (Direction::Outgoing, RunState::Running, "mig/src/main", |bql, _| Some(begin(bql))),
        (Direction::Incoming, RunState::InMigrate, "mig/dst/main", |bql, folder| {
            let uri = Uri::Unix(folder.path().join("socket"));
            migration::migrate_incoming(bql, uri.into()).expect("an idle object");
            None
        }),
    ];
    let _turn = my_turn();
    let mut thread = attach();
    for (direction, state, name, begin) in ways {
        let mut bql = thread.lock();
        let host = machine_in(state, MANY_PAGES, Script::default()).0;
        let (object, life) = init_of(&mut bql, host);
        let observer = migration::observer(&bql, direction).expect("an observer");
        let peer = begin(&mut bql, &folder);
        bql.unlocked(|thread| {
            observer.wait(thread, DEADLINE, |status, info| {
                status == MigrationStatus::Active || info.socket_address.is_some()
            })
        });

        // The thread needs the lock to clean up, and so cannot be done before this.
        let asked = Instant::now();
        let retired: Retired = shutdown(object, &mut bql);
        drop(retired);
        println!("{name}: shut down within {:?}", asked.elapsed());
        assert_eq!(observer.status(), MigrationStatus::Cancelling);
        drop(bql);
        assert!(life.wait_until_dropped(&mut thread, DEADLINE), "{:?}", life.events());
        println!("{name}: dropped within {:?}", asked.elapsed());

        let events = life.events();
        let last = events.last().expect("a life has events");
        assert_eq!((last.what, last.thread.as_str()), (LifeEventKind::Dropped, name));
        let order: Vec<LifeEventKind> = events
            .iter()
            .map(|event| event.what)
            .filter(|what| !matches!(what, LifeEventKind::Counted | LifeEventKind::GivenBack))
            .collect();
        assert_eq!(
            order,
            [
                LifeEventKind::Created,
                LifeEventKind::Published,
                LifeEventKind::Retired,
                LifeEventKind::Dropped
            ]
        );

        // An observer is true for ever.
        assert_eq!(observer.status(), MigrationStatus::Cancelled);
        assert_eq!(error_chain(&*observer.error().expect("an error")), "cancelled");
        assert_eq!(observer.info().total > 0, direction == Direction::Outgoing);
        drop(peer);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "no socket left");
}

#[test]
fn an_object_that_nobody_uses_is_dropped_by_its_owner() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (object, life) = init(&mut bql);
    let retired = shutdown(object, &mut bql);
    assert!(life.events().iter().all(|event| event.what != LifeEventKind::Dropped));
    drop(retired);
    let last = life.events().pop().expect("a life has events");
    let here = std::thread::current();
    assert_eq!((last.what, Some(last.thread.as_str())), (LifeEventKind::Dropped, here.name()));
}
