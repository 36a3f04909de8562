//! Who is told of a migration, in which order, and what is true at that moment.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use engine::{Direction, MigrationEvent, MigrationStatus, Notifier, RunState, Uri};
use tempfile::TempDir;
use test_support::machine::{Script, Site, attach};
use test_support::peer;
use test_support::wait::DEADLINE;
use wire::ReturnMessage;

/// Takes the whole stream and answers `code`.
fn answering(code: u32) -> engine::Endpoint {
    let (endpoint, peer) = peer::pair();
    thread::spawn(move || {
        peer::read_stream(&peer).expect("a whole stream");
        peer::say(&peer, &ReturnMessage::Shut(code)).expect("a source that listens");
    });
    endpoint
}

#[test]
fn every_end_is_told_in_its_order_before_anybody_else_sees_it() {
    let folder = TempDir::new().expect("a folder");
    let nobody = Uri::Unix(folder.path().join("nobody"));
    let cases = [
        (
            answering(0),
            MigrationStatus::Completed,
            &[
                "PrecopySetup while setup",
                "log start",
                "sync",
                "stop",
                "save",
                "sync",
                "moved",
                "log stop",
                "PrecopyDone while device",
            ][..],
        ),
        (
            answering(1),
            MigrationStatus::Failed,
            &[
                "PrecopySetup while setup",
                "log start",
                "sync",
                "stop",
                "save",
                "sync",
                "resume",
                "log stop",
                "PrecopyFailed while device",
            ],
        ),
        (nobody.into(), MigrationStatus::Failed, &["log stop", "PrecopyFailed while setup"]),
    ];
    let mut thread = attach();
    for (endpoint, expected, trace) in cases {
        let source = Site::source(1, Script::default());
        let _notifier = source.note_events(&mut thread);
        source.migrate(&mut thread, endpoint).expect("an idle object");
        let status = source.end(&mut thread, Direction::Outgoing);
        // Read after the end was seen: everything that cleaning up does is in it.
        assert_eq!(source.machine.trace(), trace);
        assert_eq!(status, expected);
    }
}

#[test]
fn another_thread_that_watches_sees_no_end_while_it_is_cleaned_up() {
    let mut main = attach();
    for (code, expected) in [(0, MigrationStatus::Completed), (1, MigrationStatus::Failed)] {
        let source = Site::source(1, Script::default());
        let (observer, (seen, sees)) = (source.observer(Direction::Outgoing), mpsc::channel());
        let (object, seen) = (Arc::downgrade(&source.object), Mutex::new(seen));
        let _notifier =
            source.object.registrations_mut(&mut main.lock()).add_notifier(move |bql, event| {
                if event != MigrationEvent::PrecopySetup {
                    // The lock is free meanwhile: the other thread may do what it likes.
                    let observer = observer.clone();
                    let object = object.upgrade().expect("the thread's own count");
                    let status = bql.unlocked(|_| {
                        thread::spawn(move || {
                            drop(attach().lock());
                            (observer.status(), object.status(Direction::Outgoing))
                        })
                        .join()
                    });
                    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.send(status.expect("no panic")).expect("a test that waits");
                }
                Ok(())
            });
        source.migrate(&mut main, answering(code)).expect("an idle object");
        let status = source.end(&mut main, Direction::Outgoing);
        assert_eq!(status, expected);
        let seen = sees.recv_timeout(DEADLINE).expect("what the other thread saw");
        assert_eq!(seen, (MigrationStatus::Device, MigrationStatus::Device));
    }
}

#[test]
fn a_notifier_runs_on_the_migration_thread_with_the_lock_held() {
    let mut thread = attach();
    let source = Site::source(1, Script::default());
    let (object, machine) = (Arc::downgrade(&source.object), source.machine.clone());
    let _notifier =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            let object = object.upgrade().expect("the thread's own count");
            // Reading what the BQL guards is proof enough that it is held.
            let registrations = format!("{:?}", object.registrations(bql));
            machine.note(format!("{event:?} self={}", object.thread_is_self()));
            assert!(registrations.contains("notifiers: 1"), "{registrations}");
            Ok(())
        });
    assert!(!source.object.thread_is_self());
    source.migrate(&mut thread, answering(0)).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    assert!(!source.object.thread_is_self());
    for event in ["PrecopySetup self=true", "PrecopyDone self=true"] {
        assert_eq!(source.machine.count(event), 1, "{:?}", source.machine.trace());
    }
}

#[test]
fn a_notifier_that_is_dropped_is_not_called_any_more_also_from_a_call_out() {
    let mut thread = attach();
    let source = Site::source(1, Script::default());
    let held: Arc<Mutex<Vec<Notifier>>> = Arc::default();
    let mut bql = thread.lock();
    let registrations = source.object.registrations_mut(&mut bql);
    let (machine, drops) = (source.machine.clone(), Arc::clone(&held));
    let first = registrations.add_notifier(move |_, event| {
        machine.note(format!("first {event:?}"));
        drops.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    });
    for name in ["second", "third"] {
        let machine = source.machine.clone();
        let notifier = registrations.add_notifier(move |_, event| {
            machine.note(format!("{name} {event:?}"));
            Ok(())
        });
        held.lock().unwrap_or_else(PoisonError::into_inner).push(notifier);
    }
    drop(bql);

    source.migrate(&mut thread, answering(0)).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    let told: Vec<String> =
        source.machine.trace().into_iter().filter(|entry| entry.contains(" Precopy")).collect();
    assert_eq!(told, ["first PrecopySetup", "first PrecopyDone"]);

    drop(first);
    source.machine.set_run_state(RunState::Running);
    source.migrate(&mut thread, answering(0)).expect("an idle object");
    source.end(&mut thread, Direction::Outgoing);
    assert_eq!(source.machine.count("first PrecopySetup"), 1, "it is gone");
}

#[test]
fn a_notifier_added_in_a_call_out_is_told_from_the_next_event_on() {
    let mut thread = attach();
    let source = Site::source(1, Script::default());
    let held: Arc<Mutex<Option<Notifier>>> = Arc::default();
    let (machine, keeps) = (source.machine.clone(), Arc::clone(&held));
    let _adds =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            if event == MigrationEvent::PrecopySetup {
                let machine_of_added = machine.clone();
                let added =
                    machine.object().registrations_mut(bql).add_notifier(move |_, event| {
                        machine_of_added.note(format!("added {event:?}"));
                        Ok(())
                    });
                *keeps.lock().unwrap_or_else(PoisonError::into_inner) = Some(added);
            }
            Ok(())
        });
    source.migrate(&mut thread, answering(0)).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    assert_eq!(source.machine.count("added PrecopySetup"), 0);
    assert_eq!(source.machine.count("added PrecopyDone"), 1);
    assert_eq!(source.machine.run_state(), RunState::PostMigrate);
}

#[test]
fn an_incoming_migration_tells_nobody() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let destination = Site::destination(1, Script::default());
    let _notifier = destination.note_events(&mut thread);
    drop(peer);
    destination.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    assert_eq!(destination.end(&mut thread, Direction::Incoming), MigrationStatus::Failed);
    assert!(destination.machine.trace().is_empty(), "{:?}", destination.machine.trace());
}
