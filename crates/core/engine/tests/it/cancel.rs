//! A request to cancel ends a migration in whatever it is doing, and the machine runs on.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use bql::BqlUnlocked;
use engine::{Direction, MigrationError, MigrationStatus, RunState, Uri};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Machine, Script, Site, attach};
use test_support::peer;
use test_support::stream::{Reader, encoded};
use test_support::wait::DEADLINE;
use wire::{Command, Record, ReturnMessage};

#[track_caller]
fn assert_cancelled(site: &Site, status: MigrationStatus, direction: Direction) {
    assert_eq!(status, MigrationStatus::Cancelled, "{:?}", site.error(direction));
    let error = site.observer(direction).error().expect("an error");
    assert!(matches!(*error, MigrationError::Cancelled), "{error:?}");
}

#[test]
fn cancel_ends_a_migration_whose_peer_reads_nothing() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(MANY_PAGES, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.wait_until_active(&mut thread);

    let asked = Instant::now();
    source.cancel(&mut thread, Direction::Outgoing);
    let status = source.end(&mut thread, Direction::Outgoing);
    println!("cancelled within {:?}", asked.elapsed());

    assert_cancelled(&source, status, Direction::Outgoing);
    source.assert_runs_on();
    assert_eq!(source.machine.count("stop"), 0, "it never had to stop");
    peer::read_stream(&peer).expect_err("half a stream");
}

/// Where the request comes from, and at which hook.
fn scripts() -> [(&'static str, Script); 6] {
    [
        (
            "as the dirty log starts",
            Script {
                log_start: Some(Box::new(|machine| {
                    machine.begin_to_cancel();
                    machine.finish_cancelling();
                    Ok(())
                })),
                ..Script::default()
            },
        ),
        (
            "after the first pass",
            Script {
                sync: Some(Box::new(|machine, _| {
                    machine.begin_to_cancel();
                    machine.finish_cancelling();
                    Ok(())
                })),
                ..Script::default()
            },
        ),
        (
            "after the first of many passes",
            Script {
                sync: Some(Box::new(|machine, dirty| {
                    if machine.count("sync") == 1 {
                        machine.begin_to_cancel();
                        machine.finish_cancelling();
                    }
                    // Nothing ever gets better: without the request this has no end.
                    for word in 0..MANY_PAGES / 64 {
                        dirty.merge(word, u64::MAX);
                    }
                    Ok(())
                })),
                ..Script::default()
            },
        ),
        (
            "as the machine stops",
            Script {
                stop: Some(Box::new(|machine, bql| machine.cancel(bql))),
                ..Script::default()
            },
        ),
        (
            "as the machine stops, with the lock released",
            Script {
                stop: Some(Box::new(|machine, bql| {
                    machine.begin_to_cancel();
                    bql.unlocked(|_| machine.finish_cancelling());
                })),
                ..Script::default()
            },
        ),
        (
            "as a device is saved",
            Script {
                save: Some(Box::new(|machine| machine.begin_to_cancel())),
                // What follows the saving, and does not need the lock.
                sync: Some(Box::new(|machine, _| {
                    machine.finish_cancelling();
                    Ok(())
                })),
                ..Script::default()
            },
        ),
    ]
}

#[test]
fn cancel_is_heard_at_every_hook() {
    let mut thread = attach();
    for (when, script) in scripts() {
        let (endpoint, peer) = peer::pair();
        let source = Site::source(MANY_PAGES, script);
        let _notifier = source.note_events(&mut thread);
        source.migrate(&mut thread, endpoint).expect("an idle object");
        // This peer is fast, and gives its word to whoever asks.
        let reader = std::thread::spawn(move || {
            peer::read_stream(&peer).map(|()| peer::say(&peer, &ReturnMessage::Shut(0)))
        });

        let status = source.end(&mut thread, Direction::Outgoing);
        println!("{when}: {:?}", source.machine.trace());
        assert_cancelled(&source, status, Direction::Outgoing);
        source.assert_runs_on();
        assert_eq!(source.machine.count("resume"), source.machine.count("stop"), "{when}");
        let last = source.machine.trace().pop();
        assert_eq!(last.as_deref(), Some("PrecopyFailed while cancelling"), "{when}");
        let said = reader.join().expect("a reader that does not panic");
        assert!(said.is_err(), "{when}: the stream was not whole: {said:?}");
    }
}

#[test]
fn cancel_in_the_setup_notifier_sends_nothing() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(1, Script::default());
    let machine = source.machine.clone();
    let notifier =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            machine.note(format!("{event:?}"));
            machine.cancel(bql);
            Ok(())
        });
    source.migrate(&mut thread, endpoint).expect("an idle object");

    let status = source.end(&mut thread, Direction::Outgoing);
    assert_cancelled(&source, status, Direction::Outgoing);
    source.assert_runs_on();
    assert_eq!(source.machine.count("stop"), 0);
    assert_eq!(source.machine.count("PrecopyFailed"), 1);
    let error = peer::read_stream(&peer).expect_err("no stream");
    assert_eq!(error.offset, 0, "{error}");
    drop(notifier);
}

#[test]
fn cancel_ends_the_wait_for_a_place_in_the_queue_of_a_listener() {
    let mut thread = attach();
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("socket");
    let address = SocketAddrUnix::new(&path).expect("a short path");
    let socket = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .expect("a socket")
    };
    let listener = socket();
    rustix::net::bind(&listener, &address).expect("a free path");
    rustix::net::listen(&listener, 0).expect("a listener");
    let mut queue = Vec::new();
    loop {
        let client = socket();
        match rustix::net::connect(&client, &address) {
            Ok(()) => queue.push(client),
            Err(error) => break assert_eq!(error, rustix::io::Errno::AGAIN),
        }
    }

    let source = Site::source(1, Script::default());
    let _notifier = source.note_events(&mut thread);
    source.migrate(&mut thread, Uri::Unix(path)).expect("an idle object");
    source.cancel(&mut thread, Direction::Outgoing);
    let status = source.end(&mut thread, Direction::Outgoing);
    assert_cancelled(&source, status, Direction::Outgoing);
    assert_eq!(source.machine.trace(), ["log stop", "PrecopyFailed while cancelling"]);
}

/// Reads a stream to the question before its end.
fn read_to_the_question(peer: &UnixStream) -> Reader<&UnixStream> {
    let mut input = peer::stream(peer).expect("a stream");
    // That of the first pass comes first.
    for _ in 0..2 {
        let number = loop {
            if let Record::Command(Command::Ping(number)) = input.next_record().expect("a stream") {
                break number;
            }
        };
        if number == 1 {
            peer::say(peer, &ReturnMessage::Pong(number)).expect("a source that listens");
        }
    }
    input
}

#[test]
fn cancel_before_the_end_of_the_stream_keeps_the_end_from_being_sent() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(MANY_PAGES, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    let mut input = read_to_the_question(&peer);

    source.cancel(&mut thread, Direction::Outgoing);
    let status = source.end(&mut thread, Direction::Outgoing);
    assert_cancelled(&source, status, Direction::Outgoing);
    source.assert_runs_on();
    let error = input.next_record().expect_err("nothing follows");
    assert!(error.is_end_of_stream(), "{error}");
}

#[test]
fn a_stream_that_was_not_asked_for_has_no_end() {
    // What the destination says in place of the word that it has everything.
    for answer in [None, Some(ReturnMessage::Shut(1)), Some(ReturnMessage::Shut(0))] {
        let mut thread = attach();
        let (endpoint, peer) = peer::pair();
        let source = Site::source(4, Script::default());
        source.migrate(&mut thread, endpoint).expect("an idle object");
        let mut input = read_to_the_question(&peer);
        match &answer {
            Some(answer) => peer::say(&peer, answer).expect("a source that listens"),
            None => peer.shutdown(std::net::Shutdown::Write).expect("an open socket"),
        }
        assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
        source.assert_runs_on();
        let error = input.next_record().expect_err("nothing follows");
        assert!(error.is_end_of_stream(), "{answer:?}: {error}");
    }
}

#[test]
fn cancel_after_the_end_of_the_stream_leaves_the_machine_stopped_if_nobody_answers() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(MANY_PAGES, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");

    source.cancel(&mut thread, Direction::Outgoing);
    let status = source.end(&mut thread, Direction::Outgoing);
    assert_eq!(status, MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(error.contains("the machine may run there and stays stopped here"), "{error}");
    source.assert_kept(&mut thread);
}

#[test]
fn cancel_after_the_end_of_the_stream_comes_too_late_where_somebody_answers() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(MANY_PAGES, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");

    source.cancel(&mut thread, Direction::Outgoing);
    peer::say(&peer, &ReturnMessage::Shut(0)).expect("a source that listens");
    let status = source.end(&mut thread, Direction::Outgoing);
    assert_eq!(status, MigrationStatus::Completed, "{:?}", source.error(Direction::Outgoing));
    assert_eq!(source.machine.run_state(), RunState::PostMigrate);
    assert_eq!(source.error(Direction::Outgoing), None);
}

/// The destination's half of the same question: it has loaded everything and is cancelled before
/// it has said so.
#[test]
fn a_destination_that_is_cancelled_never_gives_its_word() {
    let folder = TempDir::new().expect("a folder");
    let mut thread = attach();
    let restore = |machine: &Machine| {
        // The lock is held here, so the other thread gets it after this.
        let object = machine.object();
        std::thread::spawn(move || {
            object.cancel(&mut attach().lock(), Direction::Incoming);
        });
        Ok(())
    };
    let destination = Site::destination(
        MANY_PAGES,
        Script { restore: Some(Box::new(restore)), ..Script::default() },
    );
    let source = Site::source(MANY_PAGES, Script::default());
    let uri = Uri::Unix(folder.path().join("socket"));
    destination.migrate_incoming(&mut thread, uri.clone()).expect("an idle object");
    let observer = destination.observer(Direction::Incoming);
    observer.wait(&mut thread, DEADLINE, |_, info| info.socket_address.is_some());
    source.migrate(&mut thread, uri).expect("an idle object");

    let sent = source.end(&mut thread, Direction::Outgoing);
    let received = destination.end(&mut thread, Direction::Incoming);
    // Who is first is open. That they agree is not.
    let moved = source.machine.run_state() == RunState::PostMigrate;
    let arrived = destination.machine.run_state() == RunState::Running;
    assert_eq!(moved, arrived, "{sent} and {received}");
    assert_eq!(sent == MigrationStatus::Completed, arrived, "{sent} and {received}");
    assert_eq!(received == MigrationStatus::Completed, arrived, "{sent} and {received}");
}

#[test]
fn cancel_ends_the_wait_for_a_source_and_removes_the_socket() {
    let folder = TempDir::new().expect("a folder");
    let mut thread = attach();
    let path = folder.path().join("socket");
    let destination = Site::destination(1, Script::default());
    destination.migrate_incoming(&mut thread, Uri::Unix(path.clone())).expect("an idle object");
    let observer = destination.observer(Direction::Incoming);
    observer.wait(&mut thread, DEADLINE, |_, info| info.socket_address.is_some());
    assert!(path.exists());

    destination.cancel(&mut thread, Direction::Incoming);
    let status = destination.end(&mut thread, Direction::Incoming);
    assert_cancelled(&destination, status, Direction::Incoming);
    assert!(!path.exists(), "the socket is gone");
    assert_eq!(destination.machine.run_state(), RunState::InMigrate);
    UnixStream::connect(&path).expect_err("nobody waits there");
}

#[test]
fn cancel_ends_an_incoming_migration_half_way() {
    let mut thread = attach();
    let (endpoint, mut peer) = peer::pair();
    let destination = Site::destination(1, Script::default());
    destination.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    peer.write_all(&peer::head()).expect("a destination that reads");

    destination.cancel(&mut thread, Direction::Incoming);
    let status = destination.end(&mut thread, Direction::Incoming);
    assert_cancelled(&destination, status, Direction::Incoming);
    assert_eq!(destination.machine.run_state(), RunState::InMigrate);
    assert!(destination.machine.trace().is_empty(), "{:?}", destination.machine.trace());
}

#[test]
fn cancel_without_a_migration_does_not_reach_the_next_one() {
    let mut thread = attach();
    let source = Site::source(1, Script::default());
    for direction in [Direction::Outgoing, Direction::Incoming] {
        source.cancel(&mut thread, direction);
        assert_eq!(source.object.status(direction), MigrationStatus::None);
    }
    for _ in 0..2 {
        let (endpoint, peer) = peer::pair();
        source.migrate(&mut thread, endpoint).expect("an idle object");
        source.cancel(&mut thread, Direction::Outgoing);
        let status = source.end(&mut thread, Direction::Outgoing);
        assert_cancelled(&source, status, Direction::Outgoing);
        source.cancel(&mut thread, Direction::Outgoing);
        drop(peer);
    }
    let (endpoint, peer) = peer::pair();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    peer::say(&peer, &ReturnMessage::Shut(0)).expect("a source that listens");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
}

#[test]
fn a_peer_that_floods_the_return_path_does_not_keep_a_migration_from_being_cancelled() {
    let mut thread = attach();
    // Before the end of the stream, and after.
    for after in [false, true] {
        let (endpoint, peer) = peer::pair();
        let source = Site::source(1, Script::default());
        source.migrate(&mut thread, endpoint).expect("an idle object");
        if after {
            peer::read_stream(&peer).expect("a whole stream");
        } else {
            read_to_the_question(&peer);
        }
        cancel_in_a_flood(&mut thread, &source, peer);
        let status = source.object.status(Direction::Outgoing);
        if after {
            assert_eq!(status, MigrationStatus::Failed);
            source.assert_kept(&mut thread);
        } else {
            assert_cancelled(&source, status, Direction::Outgoing);
        }
    }
}

fn cancel_in_a_flood(thread: &mut BqlUnlocked, source: &Site, mut peer: UnixStream) {
    let (flooding, floods) = std::sync::mpsc::channel();
    let flooder = std::thread::spawn(move || {
        let flood = encoded(&ReturnMessage::Pong(1)).repeat(50_000);
        while peer.write_all(&flood).is_ok() {
            // The test has heard enough after the first.
            let _ = flooding.send(());
        }
    });
    floods.recv().expect("a first flood");
    source.cancel(thread, Direction::Outgoing);
    source.end(thread, Direction::Outgoing);
    flooder.join().expect("a peer that finds the connection closed");
}
