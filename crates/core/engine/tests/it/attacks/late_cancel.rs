//! A cancel that comes too late promises an end after two seconds, whatever the peer goes on saying.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use engine::{Direction, MigrationStatus, RunState};
use test_support::machine::{Script, Site, attach};
use test_support::peer;
use test_support::stream::encoded;
use wire::ReturnMessage;

fn chatter(pause: Duration) {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(4, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    let stop = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stop);
    let talker = thread::spawn(move || {
        while !stops.load(Ordering::SeqCst) {
            if peer::say(&peer, &ReturnMessage::Pong(7)).is_err() {
                break;
            }
            thread::sleep(pause);
        }
    });
    source.cancel(&mut thread, Direction::Outgoing);
    let asked = Instant::now();
    let observer = source.observer(Direction::Outgoing);
    let limit = Duration::from_secs(8);
    let status = observer.wait(&mut thread, limit, |status, _| status.is_terminal());
    let took = asked.elapsed();
    stop.store(true, Ordering::SeqCst);
    talker.join().expect("a talker");
    assert!(status.is_terminal(), "{status} still, {took:?} after the cancel");
}

#[test]
fn a_late_cancel_ends_within_seconds_whatever_the_peer_says() {
    chatter(Duration::from_millis(500));
}

#[test]
fn a_late_cancel_ends_within_seconds_in_a_flood() {
    chatter(Duration::ZERO);
}

/// The destination's half: the machine is here, and the source sends its description byte by byte.
#[test]
fn a_machine_that_was_given_away_does_not_wait_for_a_slow_description() {
    use std::io::Write;
    use wire::{Command, Decoder, Record, Wire};

    let mut thread = attach();
    let site = Site::destination(4, Script::default());
    let (endpoint, peer) = peer::pair();
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    let mut out = peer::head();
    out.extend(encoded(&Record::Command(Command::OpenReturnPath)));
    out.extend(peer::memory_start(4, false));
    let mut tail = peer::memory_end_and_devices(false);
    let eof = tail.pop().expect("EOF");
    out.extend(tail);
    out.extend(encoded(&Record::Command(Command::Ping(0x4c52_4459))));
    (&peer).write_all(&out).expect("room");
    ReturnMessage::decode(&mut Decoder::new(&peer)).expect("a PONG");
    // The head of a description of 16 MiB.
    (&peer).write_all(&[eof, 6, 1, 0, 0, 0]).expect("room");
    let trickle = thread::spawn(move || {
        while (&peer).write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(500));
        }
    });
    let observer = site.observer(Direction::Incoming);
    let waits = || site.machine.run_state() != RunState::Running;
    while waits() && observer.is_running() {
        thread::yield_now();
    }
    site.cancel(&mut thread, Direction::Incoming);
    let limit = Duration::from_secs(8);
    let status = observer.wait(&mut thread, limit, |status, _| status.is_terminal());
    assert_eq!(status, MigrationStatus::Completed, "8 s after the cancel");
    trickle.join().expect("a trickle");
}
