//! What a hook panics with may panic once more when it is dropped.

use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bql::BqlGuard;
use engine::{Direction, MigrationStatus, RunState};
use test_support::machine::{Machine, Script, Site, attach};
use test_support::peer;
use wire::ReturnMessage;

/// Panics with another one when it is dropped, so many times.
struct Bomb(u32);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Bomb(self.0 - 1));
        }
    }
}

fn source(times: u32) -> Site {
    let did = AtomicBool::new(false);
    let hook = move |_: &Machine, _: &mut BqlGuard<'_>| {
        if !did.swap(true, Ordering::SeqCst) {
            panic_any(Bomb(times));
        }
    };
    Site::source(4, Script { resume: Some(Box::new(hook)), ..Script::default() })
}

#[test]
fn the_right_stays_with_the_machine_whatever_its_hook_panics_with() {
    let mut thread = attach();
    let source = source(1);
    let (endpoint, peer) = peer::pair();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    peer::say(&peer, &ReturnMessage::Shut(1)).expect("a source that listens");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let went_on = source.object.cont(&mut thread.lock());
    assert!(went_on.is_ok(), "it is {:?}: {went_on:?}", source.machine.run_state());
    assert_eq!(source.machine.run_state(), RunState::Running);
}

#[test]
fn a_migration_ends_whatever_its_hook_panics_with() {
    let mut thread = attach();
    let source = source(2);
    let (endpoint, peer) = peer::pair();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    peer::say(&peer, &ReturnMessage::Shut(1)).expect("a source that listens");
    let observer = source.observer(Direction::Outgoing);
    let limit = Duration::from_secs(5);
    let status = observer.wait(&mut thread, limit, |status, _| status.is_terminal());
    assert!(status.is_terminal(), "its thread is gone, and it is {status} for ever");
}

/// The fate says `here` since EOF; what the hook panics with takes the place where it is unsaid.
#[test]
fn a_machine_whose_settling_panicked_does_not_run() {
    let mut thread = attach();
    let source = Site::source(4, Script::default());
    let settle = |_: &Machine, _: &mut bql::BqlUnlocked| panic_any(Bomb(1));
    let destination =
        Site::destination(4, Script { settle: Some(Box::new(settle)), ..Script::default() });
    let (here, peer) = peer::pair();
    let there = engine::Endpoint::with_fd(engine::Uri::Fd(0), peer.into());
    destination.migrate_incoming(&mut thread, there).expect("idle");
    source.migrate(&mut thread, here).expect("idle");
    let sent = source.end(&mut thread, Direction::Outgoing);
    let received = destination.end(&mut thread, Direction::Incoming);
    assert_eq!(
        (received, destination.machine.run_state()),
        (MigrationStatus::Failed, RunState::InMigrate),
        "nothing was made durable, and the source says {sent}: {:?}",
        source.error(Direction::Outgoing)
    );
}
