//! Whatever goes wrong has one cause that is told, and the machine is where it was.

use std::io;
use std::io::Write;
use std::sync::Arc;

use bql::BqlGuard;
use engine::{
    Direction, DirtyBitmap, MigrationError, MigrationEvent, MigrationParameters, MigrationStatus,
    RestoreError, RunState, Uri,
};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Machine, Script, Site, attach};
use test_support::peer;
use test_support::wait::DEADLINE;
use wire::ReturnMessage;

fn full() -> io::Error {
    io::Error::other("the log is full")
}

/// What goes wrong at the source, and the error that is told of it.
fn broken_sources() -> [(Script, &'static str); 6] {
    const LOG: &str = "dirty pages of RAM block `memory` cannot be tracked: the log is full";
    [
        (Script { log_start: Some(Box::new(|_| Err(full()))), ..Script::default() }, LOG),
        (Script { sync: Some(Box::new(|_, _| Err(full()))), ..Script::default() }, LOG),
        (
            Script {
                sync: Some(Box::new(|machine, _| {
                    if machine.run_state() == RunState::Running { Ok(()) } else { Err(full()) }
                })),
                ..Script::default()
            },
            LOG,
        ),
        (
            Script { save: Some(Box::new(|_| panic!("no state"))), ..Script::default() },
            "the migration thread panicked: no state",
        ),
        (
            Script { sync: Some(Box::new(|_, _| panic!("no log"))), ..Script::default() },
            "the migration thread panicked: no log",
        ),
        (
            Script {
                stop: Some(Box::new(|machine, _| {
                    assert_ne!(machine.count("stop"), 1, "no stop at first");
                })),
                ..Script::default()
            },
            "the migration thread panicked: assertion `left != right` failed: no stop at first",
        ),
    ]
}

#[test]
fn a_source_that_breaks_fails_with_the_cause_and_runs_on() {
    let mut thread = attach();
    for (script, expected) in broken_sources() {
        let (endpoint, peer) = peer::pair();
        let source = Site::source(1, script);
        let _notifier = source.note_events(&mut thread);
        let reader = peer::reads(peer);
        source.migrate(&mut thread, endpoint).expect("an idle object");

        assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
        let error = source.error(Direction::Outgoing).expect("an error");
        assert!(error.starts_with(expected), "expected {expected}, found {error}");
        source.assert_runs_on();
        let trace = source.machine.trace();
        assert!(trace.last().is_some_and(|last| last.starts_with("PrecopyFailed")), "{trace:?}");
        reader.join().expect("no panic").expect_err("the connection is broken off");
    }
}

#[test]
fn a_notifier_that_refuses_or_panics_at_setup_ends_the_migration_before_a_byte() {
    type Notify = fn() -> Result<(), String>;
    let mut thread = attach();
    let cases: [(Notify, &str); 2] = [
        (|| Err("not today".into()), "migration was refused at setup: not today"),
        (
            || panic!("not at all"),
            "migration was refused at setup: a notifier panicked: not at all",
        ),
    ];
    for (notify, expected) in cases {
        let (endpoint, peer) = peer::pair();
        let source = Site::source(1, Script::default());
        // The answer to every event but the first means nothing.
        let _refuses = source
            .object
            .registrations_mut(&mut thread.lock())
            .add_notifier(move |_, _event| notify());
        let _later = source.note_events(&mut thread);
        source.migrate(&mut thread, endpoint).expect("an idle object");

        assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
        assert_eq!(source.error(Direction::Outgoing).as_deref(), Some(expected));
        assert_eq!(source.machine.trace(), ["log stop", "PrecopyFailed while setup"]);
        let error = peer::read_stream(&peer).expect_err("no stream");
        assert_eq!(error.offset, 0, "{error}");
    }
}

#[test]
fn a_notifier_cannot_undo_what_is_done() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(1, Script::default());
    let _notifier =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(|_, event| match event {
            engine::MigrationEvent::PrecopySetup => Ok(()),
            _ => panic!("too late"),
        });
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    peer::say(&peer, &ReturnMessage::Shut(0)).expect("a source that listens");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    assert_eq!(source.error(Direction::Outgoing), None);
}

#[test]
fn a_device_that_refuses_its_state_leaves_the_machine_at_the_source() {
    let folder = TempDir::new().expect("a folder");
    let mut thread = attach();
    type Restore = fn() -> Result<(), RestoreError>;
    let cases: [(Restore, &str); 2] = [
        (
            || Err(RestoreError("the counter is full".into())),
            "device `counter` refuses the state that was sent: the counter is full",
        ),
        (|| panic!("no counter"), "the migration thread panicked: no counter"),
    ];
    for (restore, expected) in cases {
        let destination = Site::destination(
            1,
            Script { restore: Some(Box::new(move |_| restore())), ..Script::default() },
        );
        let source = Site::source(1, Script::default());
        let uri = Uri::Unix(folder.path().join("socket"));
        destination.migrate_incoming(&mut thread, uri.clone()).expect("an idle object");
        let observer = destination.observer(Direction::Incoming);
        observer.wait(&mut thread, DEADLINE, |_, info| info.socket_address.is_some());
        source.migrate(&mut thread, uri).expect("an idle object");

        assert_eq!(destination.end(&mut thread, Direction::Incoming), MigrationStatus::Failed);
        assert_eq!(destination.error(Direction::Incoming).as_deref(), Some(expected));
        assert_eq!(destination.machine.trace(), ["restore"], "it never arrived");
        assert_eq!(destination.machine.run_state(), RunState::InMigrate);

        assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
        source.assert_runs_on();
        assert_eq!(source.machine.count("resume"), 1);
    }
}

#[test]
fn a_refused_device_state_reaches_the_source_as_the_destinations_word() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(1, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    peer::say(&peer, &ReturnMessage::Shut(1)).expect("a source that listens");

    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.observer(Direction::Outgoing).error().expect("an error");
    assert!(matches!(*error, MigrationError::DestinationFailed { code: 1 }), "{error:?}");
    source.assert_runs_on();
}

#[test]
fn a_destination_that_goes_without_a_word_leaves_the_machine_stopped_at_the_source() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(1, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    drop(peer);

    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.observer(Direction::Outgoing).error().expect("an error");
    assert!(matches!(*error, MigrationError::NotConfirmed(_)), "{error:?}");
    assert!(error.to_string().contains("the machine may run there"), "{error}");
    let (endpoint, _peer) = peer::pair();
    let refused = source.migrate(&mut thread, endpoint).expect_err("it may be there");
    assert!(matches!(refused, MigrationError::KeptStopped), "{refused}");
    source.assert_kept(&mut thread);
}

#[test]
fn the_first_error_is_the_one_that_is_told() {
    // The device's refusal comes first; that the source has gone meanwhile is no news.
    let mut thread = attach();
    let saved = {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("stream");
        let source = Site::source(1, Script::default());
        source
            .migrate(&mut thread, Uri::File { path: path.clone(), offset: 0 })
            .expect("an idle object");
        assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
        std::fs::read(path).expect("the stream")
    };
    let (endpoint, mut peer) = peer::pair();
    let refuse = |_: &_| Err(RestoreError("the counter is full".into()));
    let destination =
        Site::destination(1, Script { restore: Some(Box::new(refuse)), ..Script::default() });
    peer.write_all(&saved).expect("room for a small stream");
    drop(peer);
    destination.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    assert_eq!(destination.end(&mut thread, Direction::Incoming), MigrationStatus::Failed);
    let error = destination.observer(Direction::Incoming).error().expect("an error");
    assert!(matches!(*error, MigrationError::Restore { .. }), "{error:?}");

    // The notifier's refusal comes first; that it panics as it is told of the end is no news.
    let (endpoint, _peer) = peer::pair();
    let source = Site::source(1, Script::default());
    let _notifier =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(|_, event| match event {
            engine::MigrationEvent::PrecopySetup => Err("first".into()),
            _ => panic!("second"),
        });
    source.migrate(&mut thread, endpoint).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(error.ends_with("first"), "{error}");
}

#[test]
fn a_device_keeps_its_state_when_the_stream_breaks_off_after_it() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("stream");
    let mut thread = attach();
    let source = Site::source(1, Script::default());
    let uri = Uri::File { path: path.clone(), offset: 0 };
    source.migrate(&mut thread, uri.clone()).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    let stream = std::fs::read(&path).expect("the stream");

    for cut in [stream.len() - 1, stream.len() / 2, 9, 0] {
        std::fs::write(&path, &stream[..cut]).expect("a file");
        let destination = Site::destination(1, Script::default());
        destination.migrate_incoming(&mut thread, uri.clone()).expect("an idle object");
        assert_eq!(destination.end(&mut thread, Direction::Incoming), MigrationStatus::Failed);
        assert!(destination.machine.trace().is_empty(), "cut at {cut}");
        let error = destination.error(Direction::Incoming).expect("an error");
        assert!(error.contains("end of stream"), "cut at {cut}: {error}");
    }
}

#[test]
fn a_blocked_migration_is_refused_with_every_reason_until_the_last_is_gone() {
    let mut thread = attach();
    let source = Site::source(1, Script::default());
    let mut bql = thread.lock();
    let registrations = source.object.registrations_mut(&mut bql);
    let (disk, card) =
        (registrations.add_blocker("a disk of this host"), registrations.add_blocker("a card"));
    assert_eq!(disk.reason(), "a disk of this host");
    drop(bql);

    let mut refused = || {
        let (endpoint, _peer) = peer::pair();
        source.migrate(&mut thread, endpoint).map_err(|error| error.to_string())
    };
    let both = "migration is blocked: a disk of this host; a card";
    assert_eq!(refused(), Err(both.to_owned()));
    drop(disk);
    assert_eq!(refused(), Err("migration is blocked: a card".to_owned()));
    assert_eq!(source.object.status(Direction::Outgoing), MigrationStatus::None);
    drop(card);
    assert_eq!(refused(), Ok(()));
    source.end(&mut thread, Direction::Outgoing);
}

#[test]
fn a_machine_that_moves_does_not_move_twice() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(MANY_PAGES, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.wait_until_active(&mut thread);

    let (second, _peer) = peer::pair();
    let error = source.migrate(&mut thread, second).expect_err("one runs");
    assert_eq!(error.to_string(), "a migration is active already");
    let (second, _peer) = peer::pair();
    let error = source.migrate_incoming(&mut thread, second).expect_err("one runs");
    assert_eq!(error.to_string(), "a migration is active already");
    assert_eq!(source.object.status(Direction::Outgoing), MigrationStatus::Active);

    drop(peer);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.observer(Direction::Outgoing).error().expect("an error");
    assert!(matches!(*error, MigrationError::PeerClosed { .. }), "{error:?}");
    source.assert_runs_on();
}

#[test]
fn a_machine_that_panics_whenever_it_is_stopped_fails_the_migration() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    peer::reads(peer);
    let stop = |_: &Machine, _: &mut BqlGuard<'_>| panic!("cannot stop");
    let source = Site::source(1, Script { stop: Some(Box::new(stop)), ..Script::default() });
    source.migrate(&mut thread, endpoint).expect("an idle object");
    let status = source.end(&mut thread, Direction::Outgoing);
    assert_eq!(status, MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert_eq!(error, "the migration thread panicked: cannot stop");
}

#[test]
fn a_cancel_during_cleanup_does_not_hide_the_first_error() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    peer::reads(peer);
    let fails = |_: &Machine, _: &mut DirtyBitmap| Err(full());
    let source = Site::source(1, Script { sync: Some(Box::new(fails)), ..Script::default() });
    let machine = Arc::clone(&source.machine);
    let cancels =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            if event == MigrationEvent::PrecopyFailed {
                machine.cancel(bql);
            }
            Ok(())
        });
    source.migrate(&mut thread, endpoint).expect("an idle object");
    let status = source.end(&mut thread, Direction::Outgoing);
    let error = source.observer(Direction::Outgoing).error().expect("an error");
    assert!(matches!(*error, MigrationError::DirtyLog { .. }), "{status}: {error:?}");
    drop(cancels);
}

#[test]
fn a_bandwidth_limit_that_is_raised_is_heard_while_the_old_one_is_kept() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(MANY_PAGES, Script::default());
    // At this rate one batch of pages would take four minutes.
    let slow = MigrationParameters { max_bandwidth: 4096, ..Default::default() };
    source.object.set_parameters(&thread.lock(), slow).expect("in its range");
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.wait_until_active(&mut thread);
    let reader = std::thread::spawn(move || {
        peer::read_stream(&peer).expect("a whole stream");
        peer::say(&peer, &ReturnMessage::Shut(0)).expect("a source that listens");
    });
    let observer = source.observer(Direction::Outgoing);
    while observer.info().transferred == 0 {
        std::thread::yield_now();
    }
    let fast = MigrationParameters { max_bandwidth: 0, ..Default::default() };
    source.object.set_parameters(&thread.lock(), fast).expect("in its range");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    reader.join().expect("a peer that does not panic");
}

#[test]
fn an_observer_may_be_asked_while_it_is_waited_for() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(1, Script::default());
    let observer = source.observer(Direction::Outgoing);
    source.migrate(&mut thread, endpoint).expect("an idle object");
    drop(peer);
    let status = observer.wait(&mut thread, DEADLINE, |status, info| {
        assert!(observer.info().transferred >= info.transferred);
        status.is_terminal()
    });
    assert_eq!(status, MigrationStatus::Failed);
}
