//! Shutdown, wherever the thread is.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use engine::MigrationState;
use migration::{
    Direction, Life, MigrationEvent, MigrationParameters, MigrationStatus, RunState, Uri,
};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Machine, Script, attach, lock};
use test_support::peer::pair;
use test_support::wait::DEADLINE;
use wire::{FileHeader, Wire};

use super::{
    begin, begin_to_reader, end, gone, init, is_dropped, mortal, mortal_in, observer, shut_down_in,
    still, wait_until,
};
use crate::gate::gate;
use crate::machines::machine_in;
use crate::turn::{my_turn, shutdown};

/// A peer that reads nothing: the first pass fills the socket and cannot end.
#[test]
fn shutdown_with_a_thread_that_is_blocked_on_its_peer() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (host, told, machine) = mortal(MANY_PAGES, Script::default());
    let (object, life, observer) = init(&mut bql, host);
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| wait_until(&observer, thread, MigrationStatus::Active));
    let last = shut_down_in("blocked on a peer", object, &mut bql, &life, &machine);
    assert_eq!(last, "mig/src/main");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    assert_eq!(observer.info().dirty_sync_count, 0, "it was in its first pass");
    assert_eq!(told.count("stop"), 0, "the machine never stopped");
}

/// Everything is always dirty, no pass is the last, and the peer takes it all.
#[test]
fn shutdown_with_a_thread_in_passes_that_never_end() {
    let _turn = my_turn();
    let mut thread = attach();
    for (what, max_bandwidth) in [("a pass at full speed", 0), ("a pass at 1 MiB/s", 1 << 20)] {
        let (synced, third) = mpsc::channel();
        let synced = Mutex::new(synced);
        let sync = Box::new(move |_: &Machine, dirty: &mut migration::DirtyBitmap| {
            for word in 0..dirty.pages().div_ceil(64) {
                dirty.merge(word, u64::MAX);
            }
            // The test may have heard enough.
            let _ = lock(&synced).send(());
            Ok(())
        });
        let (host, told, machine) =
            mortal(MANY_PAGES, Script { sync: Some(sync), ..Script::default() });
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
        assert_eq!(told.count("stop"), 0, "{what}: it never was the last");
    }
}

/// The test holds the BQL, and the thread needs it: for its notifiers at first, to stop the
/// machine later.
#[test]
fn shutdown_with_a_thread_that_waits_for_the_bql() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (host, told, machine) = mortal(4, Script::default());
    let (object, life, observer) = init(&mut bql, host);
    begin_to_reader(&mut bql);
    let last = shut_down_in("waiting for the BQL at setup", object, &mut bql, &life, &machine);
    assert_eq!(last, "mig/src/main");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    assert_eq!(told.count("stop"), 0);

    let (_opened, gate) = gate();
    let passes = Arc::clone(&gate);
    let sync = Box::new(move |_: &Machine, _: &mut migration::DirtyBitmap| {
        passes.pass();
        Ok(())
    });
    let (host, told, machine) = mortal(4, Script { sync: Some(sync), ..Script::default() });
    let (object, life, observer) = init(&mut bql, host);
    begin_to_reader(&mut bql);
    bql.unlocked(|_| gate.wait_for(1));
    // The last pass is over; with the BQL held here it comes as far as the lock.
    gate.open();
    let last = shut_down_in("waiting for the BQL at the end", object, &mut bql, &life, &machine);
    assert_eq!(last, "mig/src/main");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    assert_eq!(told.count("stop"), told.count("resume"), "a machine that was stopped went on");
    assert_eq!(told.count("moved"), 0);
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
        let (host, told, machine) = mortal_in(RunState::InMigrate, 4, Script::default());
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
        assert_eq!(told.count("arrived"), 0, "{what}: the machine is not here");
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
        let (host, told, machine) = mortal(2, Script::default());
        let mut bql = thread.lock();
        let (object, life, observer) = init(&mut bql, host);
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        let endpoint = |end: UnixStream| migration::Endpoint::with_fd(Uri::Fd(0), end.into());
        let (destination_host, arrived) = machine_in(RunState::InMigrate, 2, Script::default());
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
        drop(shutdown(object, &mut bql));
        drop(bql);
        gone(&life, &mut thread);
        slowest = slowest.max(asked.elapsed());
        machine.recv_timeout(DEADLINE).expect("the machine goes too");
        let incoming = end(&destination.observer(Direction::Incoming), &mut thread);

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
        assert_eq!(told.count("moved"), moved, "round {round}");
        assert_eq!(told.count("stop"), moved + told.count("resume"), "round {round}");
        assert_eq!(arrived.count("arrived"), moved, "round {round}: it is on one side");
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
        let (host, _, machine) = mortal(MANY_PAGES, Script::default());
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
        drop(shutdown(object, &mut bql));
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
            drop(shutdown(object, bql));
            *lock(&made) = Some(life);
        }
        Ok(())
    });
    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    drop(shutdown(object, &mut bql));
    drop(bql);
    assert_eq!(gone(&life, &mut thread), "mig/src/main");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    let inner = lock(&inner).take().expect("the second object");
    assert_eq!(gone(&inner, &mut thread), "mig/src/main", "dropped where it was made");
    drop(notifier);
}
