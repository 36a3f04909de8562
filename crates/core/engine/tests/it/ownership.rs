//! The machine is in one place, whatever fails: it belongs to one object, and what was reached
//! decides where it goes on.

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bql::{BqlGuard, BqlUnlocked};
use engine::{
    Direction, Endpoint, Host, MigrationCapabilities, MigrationError, MigrationEvent,
    MigrationState, MigrationStatus, RunState, SettleError, Uri,
};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Machine, Script, Site, attach};
use test_support::peer;
use test_support::wait::DEADLINE;
use wire::{Command, Record, ReturnMessage, VmDescription, Wire};

use crate::transfer::{assert_arrived, transfer};

/// The two ends of a connection.
fn connection() -> (Endpoint, Endpoint) {
    let (endpoint, peer) = peer::pair();
    (endpoint, Endpoint::with_fd(Uri::Fd(0), peer.into()))
}

/// Moves the machine, and returns how that ended at each end.
fn move_over(
    thread: &mut BqlUnlocked,
    source: &Site,
    destination: &Site,
) -> (MigrationStatus, MigrationStatus) {
    let (here, there) = connection();
    destination.migrate_incoming(thread, there).expect("an idle object");
    source.migrate(thread, here).expect("an idle object");
    (source.end(thread, Direction::Outgoing), destination.end(thread, Direction::Incoming))
}

/// A hook that panics the first time.
fn once() -> impl Fn() {
    let did = AtomicBool::new(false);
    move || assert!(did.swap(true, Ordering::SeqCst), "the hook is broken")
}

#[test]
fn a_machine_belongs_to_the_object_whose_thread_still_works_with_it() {
    let mut thread = attach();
    let source = Site::source(MANY_PAGES, Script::default());
    let Site { host, machine, object } = source;
    let life = object.life().clone();
    let (endpoint, peer) = peer::pair();
    engine::migrate(Arc::clone(&object), &mut thread.lock(), endpoint).expect("an idle object");
    // Nobody reads, so the thread waits, with the last count.
    drop(object);

    let second = MigrationState::new(Arc::clone(&host)).expect("an object");
    let refused = |thread: &mut BqlUnlocked, what: &str| {
        let (endpoint, _peer) = peer::pair();
        let error = engine::migrate(Arc::clone(&second), &mut thread.lock(), endpoint);
        let error = error.expect_err(what).to_string();
        assert!(error.starts_with("the machine belongs to another migration object"), "{error}");
        assert!(error.ends_with("is held by mig/src/main"), "{error}");
        second.possess(&mut thread.lock()).expect_err(what);
        second.cont(&mut thread.lock()).expect_err(what);
    };
    refused(&mut thread, "another has it");
    // It can be asked, and set.
    assert_eq!(second.status(Direction::Outgoing), MigrationStatus::None);
    let pauses = MigrationCapabilities { pause_before_switchover: true, ..Default::default() };
    second.set_capabilities(&thread.lock(), pauses).expect("it does not migrate");
    second.cancel(&mut thread.lock(), Direction::Outgoing);
    refused(&mut thread, "another has it still");
    second.set_capabilities(&thread.lock(), Default::default()).expect("it does not migrate");

    drop(peer);
    assert!(life.wait_until_dropped(&mut thread, DEADLINE), "{:?}", life.events());
    assert_eq!(machine.run_state(), RunState::Running);
    // Now it is free, and what the first one did at its end is over.
    let source = Site { host, machine, object: second };
    let destination = Site::destination(MANY_PAGES, Script::default());
    let ends = move_over(&mut thread, &source, &destination);
    assert_eq!(ends, (MigrationStatus::Completed, MigrationStatus::Completed));
    assert_arrived(&source, &destination, RunState::Running);
    assert_eq!(source.machine.count("resume"), 0, "{:?}", source.machine.trace());
}

#[test]
fn an_object_that_does_nothing_with_its_machine_is_named_too() {
    let mut thread = attach();
    let Site { host, object, machine: _ } = Site::source(1, Script::default());
    object.possess(&mut thread.lock()).expect("a machine of nobody");
    object.possess(&mut thread.lock()).expect("its own machine");
    let second = MigrationState::new(host).expect("an object");
    let (endpoint, _peer) = peer::pair();
    let refused = engine::migrate(second, &mut thread.lock(), endpoint).expect_err("it has one");
    assert_eq!(
        refused.to_string(),
        "the machine belongs to another migration object (outgoing: none, incoming: none)"
    );
}

#[test]
fn another_object_of_the_same_machine_changes_nothing() {
    // QEMU's device introspection makes one at any time, uses it, and drops it.
    let use_another = |host: &Arc<Host>, bql: &mut BqlGuard<'_>| {
        let other = MigrationState::new(Arc::clone(host)).expect("an object");
        let pauses = MigrationCapabilities { pause_before_switchover: true, ..Default::default() };
        other.set_capabilities(bql, pauses).expect("it does not migrate");
        other.cancel(bql, Direction::Outgoing);
        assert_eq!(other.status(Direction::Outgoing), MigrationStatus::None);
        let (endpoint, _peer) = peer::pair();
        let refused = engine::migrate(Arc::clone(&other), bql, endpoint);
        assert!(matches!(refused, Err(MigrationError::Possessed { .. })), "{refused:?}");
        let (endpoint, _peer) = peer::pair();
        engine::migrate_incoming(other, bql, endpoint).expect_err("it runs");
    };
    let folder = TempDir::new().expect("a folder");
    let source = Site::source(100, Script::default());
    let host = Arc::clone(&source.host);
    let _uses =
        source.object.registrations_mut(&mut attach().lock()).add_notifier(move |bql, _| {
            use_another(&host, bql);
            Ok(())
        });
    let destination = Site::destination(100, Script::default());
    transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));
    assert_arrived(&source, &destination, RunState::Running);
    let stops = source.machine.count("log stop");
    assert_eq!((source.machine.count("log start"), stops), (1, 1), "{:?}", source.machine.trace());
}

#[test]
fn a_machine_that_runs_is_not_overwritten_and_one_that_is_not_here_is_not_sent() {
    let mut thread = attach();
    let running = Site::source(4, Script::default());
    let before = running.machine.contents();
    for state in [RunState::Running, RunState::Paused, RunState::Prelaunch, RunState::PostMigrate] {
        running.machine.set_run_state(state);
        let (endpoint, _peer) = peer::pair();
        let refused = running.migrate_incoming(&mut thread, endpoint).expect_err("it has a state");
        let expected = format!("the machine does not wait for a migration: it is {}", state.name());
        assert_eq!(refused.to_string(), expected);
    }
    assert_eq!(running.object.status(Direction::Incoming), MigrationStatus::None);
    assert!(running.machine.contents() == before && running.machine.trace().is_empty());

    for state in [RunState::InMigrate, RunState::PostMigrate] {
        running.machine.set_run_state(state);
        let (endpoint, _peer) = peer::pair();
        let refused = running.migrate(&mut thread, endpoint).expect_err("it is elsewhere");
        let expected = format!("the machine is not here: it is {}", state.name());
        assert_eq!(refused.to_string(), expected);
    }
}

/// Which hook of the source breaks, and whether the machine has moved by then.
fn broken_sources() -> Vec<(&'static str, Script, bool)> {
    let machine = |hook: Box<dyn Fn() + Send + Sync>| move |_: &Machine| hook();
    let with_lock = |hook: Box<dyn Fn() + Send + Sync>| {
        Box::new(move |_: &Machine, _: &mut BqlGuard<'_>| hook())
    };
    let once = || Box::new(once());
    vec![
        ("stop", Script { stop: Some(with_lock(once())), ..Script::default() }, false),
        ("save", Script { save: Some(Box::new(machine(once()))), ..Script::default() }, false),
        (
            "log start",
            {
                let hook = once();
                Script {
                    log_start: Some(Box::new(move |_| {
                        hook();
                        Ok(())
                    })),
                    ..Script::default()
                }
            },
            false,
        ),
        (
            "sync",
            {
                let hook = once();
                Script {
                    sync: Some(Box::new(move |_, _| {
                        hook();
                        Ok(())
                    })),
                    ..Script::default()
                }
            },
            false,
        ),
        (
            "log stop",
            Script { log_stop: Some(Box::new(machine(once()))), ..Script::default() },
            true,
        ),
        ("moved", Script { moved: Some(with_lock(once())), ..Script::default() }, true),
    ]
}

#[test]
fn a_hook_of_the_source_that_panics_does_not_move_the_machine_nor_bring_it_back() {
    let mut thread = attach();
    for (what, script, moves) in broken_sources() {
        let source = Site::source(4, script);
        let destination = Site::destination(4, Script::default());
        let (sent, received) = move_over(&mut thread, &source, &destination);
        let ends = if moves { MigrationStatus::Completed } else { MigrationStatus::Failed };
        assert_eq!((sent, received), (ends, ends), "{what}");
        let error = source.error(Direction::Outgoing).expect("what it said is kept");
        assert!(error.starts_with("the migration thread panicked: the hook is broken"), "{error}");
        let runs = |site: &Site| site.machine.run_state() == RunState::Running;
        assert_eq!((runs(&source), runs(&destination)), (!moves, moves), "{what}");
        let resumed = source.machine.count("resume");
        assert!(resumed == 0 || !moves, "{what}: {:?}", source.machine.trace());
        source.object.cont(&mut thread.lock()).expect_err("no right is left");
    }
}

#[test]
fn a_machine_whose_stop_panicked_once_does_again_what_it_did_before_that() {
    let mut thread = attach();
    let stopped = AtomicBool::new(false);
    // It has stopped, and knows no more what it did before.
    let stop = move |machine: &Machine, _: &mut BqlGuard<'_>| {
        if !stopped.swap(true, Ordering::SeqCst) {
            machine.forget_before_stop();
            panic!("the stop is broken");
        }
    };
    let source = Site::source(4, Script { stop: Some(Box::new(stop)), ..Script::default() });
    let (endpoint, peer) = peer::pair();
    let reader = peer::reads(peer);
    source.migrate(&mut thread, endpoint).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let _ = reader.join();
    assert_eq!(source.machine.count("stop"), 2, "{:?}", source.machine.trace());
    assert_eq!(source.machine.run_state(), RunState::Running, "{:?}", source.machine.trace());
}

#[test]
fn a_source_that_cannot_be_let_go_on_keeps_the_right_to_it() {
    let mut thread = attach();
    let hook = once();
    let resume = move |_: &Machine, _: &mut BqlGuard<'_>| hook();
    let source = Site::source(4, Script { resume: Some(Box::new(resume)), ..Script::default() });
    let (endpoint, peer) = peer::pair();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    peer::say(&peer, &ReturnMessage::Shut(1)).expect("a source that listens");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(error.starts_with("the destination reports"), "the first is kept: {error}");
    assert_eq!(source.machine.run_state(), RunState::FinishMigrate);

    source.object.cont(&mut thread.lock()).expect("a machine that was kept");
    assert_eq!(source.machine.run_state(), RunState::Running);
    source.object.cont(&mut thread.lock()).expect_err("no right is left");
}

#[test]
fn a_machine_that_has_been_seen_at_its_destination_goes_on_nowhere_else() {
    let mut thread = attach();
    let broken = || {
        let hook = once();
        Script { moved: Some(Box::new(move |_, _| hook())), ..Script::default() }
    };
    for (what, script) in [("a hook that works", Script::default()), ("one that panics", broken())]
    {
        let source = Site::source(4, script);
        source.object.confirm_moved(&mut thread.lock()).expect_err("nothing has moved");
        let (endpoint, peer) = peer::pair();
        source.migrate(&mut thread, endpoint).expect("an idle object");
        peer::read_stream(&peer).expect("a whole stream");
        source.object.confirm_moved(&mut thread.lock()).expect_err("it moves just now");
        drop(peer);
        assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
        assert_eq!(source.machine.count("moved"), 0, "nobody knows yet");

        let told = source.object.confirm_moved(&mut thread.lock());
        assert_eq!(told.is_err(), what == "one that panics", "{told:?}");
        assert_eq!(
            (source.machine.count("moved"), source.machine.count("resume")),
            (1, 0),
            "{what}"
        );
        source.object.cont(&mut thread.lock()).expect_err("no right is left");
        source.object.confirm_moved(&mut thread.lock()).expect_err("no right is left");
        assert_ne!(source.machine.run_state(), RunState::Running, "{what}");
        assert_eq!(source.object.status(Direction::Outgoing), MigrationStatus::Failed);
    }
}

#[test]
fn a_hook_of_the_destination_that_panics_leaves_the_machine_in_one_place() {
    let mut thread = attach();
    for what in ["restore", "settle", "arrived"] {
        let hook = once();
        let script = match what {
            "restore" => Script {
                restore: Some(Box::new(move |_| {
                    hook();
                    Ok(())
                })),
                ..Script::default()
            },
            "settle" => Script {
                settle: Some(Box::new(move |_, _| {
                    hook();
                    Ok(())
                })),
                ..Script::default()
            },
            _ => Script { arrived: Some(Box::new(move |_, _| hook())), ..Script::default() },
        };
        let source = Site::source(4, Script::default());
        let destination = Site::destination(4, script);
        let ends = move_over(&mut thread, &source, &destination);
        let error = destination.error(Direction::Incoming).expect("what it said is kept");
        assert_eq!(error, "the migration thread panicked: the hook is broken");
        assert_eq!(destination.machine.run_state(), RunState::InMigrate, "{what}");
        if what == "arrived" {
            // It has moved, and is let go on where it is.
            assert_eq!(ends, (MigrationStatus::Completed, MigrationStatus::Completed));
            let moved = destination.object.confirm_moved(&mut thread.lock());
            assert!(matches!(moved, Err(MigrationError::NothingKept)), "it came: {moved:?}");
            destination.object.cont(&mut thread.lock()).expect("a machine that was kept");
            assert_arrived(&source, &destination, RunState::Running);
        } else {
            assert_eq!(ends, (MigrationStatus::Failed, MigrationStatus::Failed), "{what}");
            source.assert_runs_on();
        }
        destination.object.cont(&mut thread.lock()).expect_err("no right is left");
    }
}

#[test]
fn the_source_hears_that_what_came_cannot_be_kept() {
    let mut thread = attach();
    let settle = |_: &Machine, _: &mut BqlUnlocked| Err(SettleError::new("the disk is full"));
    let source = Site::source(4, Script::default());
    let destination =
        Site::destination(4, Script { settle: Some(Box::new(settle)), ..Script::default() });
    let ends = move_over(&mut thread, &source, &destination);
    assert_eq!(ends, (MigrationStatus::Failed, MigrationStatus::Failed));
    let error = destination.error(Direction::Incoming).expect("an error");
    assert_eq!(error, "the machine has come and cannot be kept here: the disk is full");
    let error = source.observer(Direction::Outgoing).error().expect("an error");
    assert!(matches!(*error, MigrationError::DestinationFailed { code: 1 }), "{error:?}");
    source.assert_runs_on();
}

#[test]
fn what_came_is_durable_before_the_source_is_told_and_the_machine_runs() {
    let mut thread = attach();
    let source = Site::source(4, Script::default());
    let at_source = Arc::clone(&source.machine);
    let settle = move |machine: &Machine, _: &mut BqlUnlocked| {
        assert_eq!(at_source.count("moved"), 0, "nobody was told");
        machine.note("settle");
        Ok(())
    };
    let destination =
        Site::destination(4, Script { settle: Some(Box::new(settle)), ..Script::default() });
    let ends = move_over(&mut thread, &source, &destination);
    assert_eq!(ends, (MigrationStatus::Completed, MigrationStatus::Completed));
    assert_eq!(destination.machine.trace(), ["restore", "settle", "arrived"]);
}

#[test]
fn a_device_that_fails_too_late_gets_its_word_back() {
    let mut thread = attach();
    let source = Site::source(4, Script::default());
    let machine = Arc::clone(&source.machine);
    let _fails =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            if event == MigrationEvent::PrecopyDone {
                let word = machine.object().fail(bql, "the disk is on fire".into());
                assert_eq!(word, Err("the disk is on fire".into()));
                machine.note("refused");
            }
            Ok(())
        });
    let destination = Site::destination(4, Script::default());
    let ends = move_over(&mut thread, &source, &destination);
    assert_eq!(ends, (MigrationStatus::Completed, MigrationStatus::Completed));
    assert_eq!(source.machine.count("refused"), 1);
    assert_eq!(source.error(Direction::Outgoing), None);
}

#[test]
fn a_machine_without_memory_moves_between_two_ends() {
    let mut thread = attach();
    let source = Site::source(0, Script::default());
    let destination = Site::destination(0, Script::default());
    let ends = move_over(&mut thread, &source, &destination);
    assert_eq!(ends, (MigrationStatus::Completed, MigrationStatus::Completed));
    assert_arrived(&source, &destination, RunState::Running);
}

/// A source that is played: it sends a whole stream, asks before the end if `asks`, and is gone
/// when the destination settles.
fn played_source(asks: bool) -> (Site, MigrationStatus) {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let peer = Arc::new(Mutex::new(Some(peer)));
    let goes = Arc::clone(&peer);
    let settle = move |machine: &Machine, _: &mut BqlUnlocked| {
        machine.note("settle");
        drop(goes.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(())
    };
    let destination =
        Site::destination(1, Script { settle: Some(Box::new(settle)), ..Script::default() });
    destination.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    let mut stream = peer::head();
    Record::Command(Command::OpenReturnPath).encode(&mut stream);
    stream.extend(peer::memory_start(1, false));
    let mut rest = peer::memory_end_and_devices(false);
    assert_eq!(rest.pop(), Some(0), "the end");
    stream.extend(rest);
    if asks {
        Record::Command(Command::Ping(READY_PING)).encode(&mut stream);
    }
    Record::Eof.encode(&mut stream);
    Record::VmDescription(VmDescription::new("{}".into()).expect("JSON")).encode(&mut stream);
    let sent = peer.lock().unwrap_or_else(PoisonError::into_inner);
    sent.as_ref().expect("not gone yet").write_all(&stream).expect("a destination that reads");
    drop(sent);
    let status = destination.end(&mut thread, Direction::Incoming);
    (destination, status)
}

/// The number by which a destination knows a source of ours.
const READY_PING: u32 = 0x4c52_4459;

#[test]
fn a_machine_that_was_given_away_arrives_though_its_source_is_gone() {
    let (destination, status) = played_source(true);
    assert_eq!(status, MigrationStatus::Completed, "{:?}", destination.error(Direction::Incoming));
    assert_eq!(destination.machine.trace(), ["restore", "settle", "arrived"]);
    assert_eq!(destination.error(Direction::Incoming), None);
}

#[test]
fn a_machine_whose_source_may_let_it_go_on_arrives_only_if_that_listens() {
    let (destination, status) = played_source(false);
    assert_eq!(status, MigrationStatus::Failed);
    assert_eq!(destination.machine.trace(), ["restore", "settle"]);
    let error = destination.observer(Direction::Incoming).error().expect("an error");
    assert!(matches!(*error, MigrationError::SourceGone { .. }), "{error:?}");
    assert_eq!(destination.machine.run_state(), RunState::InMigrate);
}

#[test]
fn what_came_from_a_source_that_is_gone_is_not_made_durable() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let peer = Arc::new(Mutex::new(Some(peer)));
    let goes = Arc::clone(&peer);
    let restore = move |_: &Machine| {
        drop(goes.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(())
    };
    let settle = |machine: &Machine, _: &mut BqlUnlocked| {
        machine.note("settle");
        Ok(())
    };
    let mut stream = peer::head();
    Record::Command(Command::OpenReturnPath).encode(&mut stream);
    stream.extend(peer::memory_start(1, false));
    stream.extend(peer::memory_end_and_devices(false));
    Record::VmDescription(VmDescription::new("{}".into()).expect("JSON")).encode(&mut stream);
    peer.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .expect("not gone yet")
        .write_all(&stream)
        .expect("room for a small stream");
    let destination = Site::destination(
        1,
        Script {
            restore: Some(Box::new(restore)),
            settle: Some(Box::new(settle)),
            ..Script::default()
        },
    );
    destination.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    assert_eq!(destination.end(&mut thread, Direction::Incoming), MigrationStatus::Failed);
    assert_eq!(destination.machine.trace(), ["restore"]);
}

#[test]
fn a_destination_that_ends_its_side_is_noticed_while_it_reads_nothing() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(MANY_PAGES, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.wait_until_active(&mut thread);
    // It is not closed, and what is on its way fills it.
    peer.shutdown(Shutdown::Write).expect("an open socket");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    source.assert_runs_on();
    drop(peer);
}
