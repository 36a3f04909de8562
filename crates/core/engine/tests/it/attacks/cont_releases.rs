//! `cont` lends the right that is left with a machine to a hook, which may release the BQL. No
//! migration begins meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use bql::{BqlGuard, BqlUnlocked};
use engine::{Direction, Endpoint, MigrationStatus, RunState, Uri};
use test_support::machine::{Machine, Script, Site, attach};
use test_support::peer;

/// Lets `cont` wait in its hook, with the BQL released, until the test says so.
fn parked() -> (Arc<Barrier>, impl Fn(&Machine, &mut BqlGuard<'_>) + Send + Sync) {
    let meet = Arc::new(Barrier::new(2));
    let there = Arc::clone(&meet);
    let hook = move |_: &Machine, bql: &mut BqlGuard<'_>| {
        bql.unlocked(|_| {
            there.wait(); // the hook is in
            there.wait(); // the test is done
        });
    };
    (meet, hook)
}

/// Leaves the right with the machine: nobody answers EOF.
fn leave_stopped(source: &Site, thread: &mut BqlUnlocked) {
    let (endpoint, peer) = peer::pair();
    source.migrate(thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    drop(peer);
    assert_eq!(source.end(thread, Direction::Outgoing), MigrationStatus::Failed);
}

/// The two ends of a connection.
fn connection() -> (Endpoint, Endpoint) {
    let (here, peer) = peer::pair();
    (here, Endpoint::with_fd(Uri::Fd(0), peer.into()))
}

#[test]
fn a_machine_that_is_let_go_on_just_now_is_not_migrated() {
    let mut thread = attach();
    let (meet, hook) = parked();
    let source = Site::source(4, Script { resume: Some(Box::new(hook)), ..Script::default() });
    leave_stopped(&source, &mut thread);

    let object = Arc::clone(&source.object);
    let conts = thread::spawn(move || object.cont(&mut attach().lock()));
    meet.wait();
    // The right is out.
    let destination = Site::destination(4, Script::default());
    let (here, there) = connection();
    destination.migrate_incoming(&mut thread, there).expect("an idle object");
    let begun = source.migrate(&mut thread, here);
    if begun.is_ok() {
        source.end(&mut thread, Direction::Outgoing);
        destination.end(&mut thread, Direction::Incoming);
    }
    meet.wait();
    let continued = conts.join().expect("a thread");
    let runs = |site: &Site| site.machine.run_state() == RunState::Running;
    assert!(
        !(runs(&source) && runs(&destination)),
        "it runs in two places; migrate: {begun:?}, cont: {continued:?}, {:?}",
        source.machine.trace()
    );
}

#[test]
fn a_hook_that_panics_late_does_not_bring_back_what_has_moved() {
    let mut thread = attach();
    let (meet, park) = parked();
    let did = AtomicBool::new(false);
    let hook = move |machine: &Machine, bql: &mut BqlGuard<'_>| {
        if !did.swap(true, Ordering::SeqCst) {
            park(machine, bql);
            panic!("the hook is broken");
        }
    };
    let source = Site::source(4, Script { resume: Some(Box::new(hook)), ..Script::default() });
    leave_stopped(&source, &mut thread);

    let object = Arc::clone(&source.object);
    let conts = thread::spawn(move || object.cont(&mut attach().lock()).is_err());
    meet.wait();
    let destination = Site::destination(4, Script::default());
    let (here, there) = connection();
    destination.migrate_incoming(&mut thread, there).expect("an idle object");
    if source.migrate(&mut thread, here).is_ok() {
        source.end(&mut thread, Direction::Outgoing);
        destination.end(&mut thread, Direction::Incoming);
    }
    meet.wait();
    assert!(conts.join().expect("a thread"), "the hook panicked");
    let again = source.object.cont(&mut thread.lock());
    let runs = |site: &Site| site.machine.run_state() == RunState::Running;
    assert!(!(runs(&source) && runs(&destination)), "it runs in two places; cont again: {again:?}");
}

#[test]
fn a_machine_that_has_arrived_and_is_started_just_now_is_not_overwritten() {
    let mut thread = attach();
    let (meet, park) = parked();
    let calls = AtomicUsize::new(0);
    let hook = move |machine: &Machine, bql: &mut BqlGuard<'_>| match calls
        .fetch_add(1, Ordering::SeqCst)
    {
        0 => panic!("not yet"),
        1 => park(machine, bql),
        _ => {}
    };
    let source = Site::source(4, Script::default());
    let destination =
        Site::destination(4, Script { arrived: Some(Box::new(hook)), ..Script::default() });
    let (here, there) = connection();
    destination.migrate_incoming(&mut thread, there).expect("an idle object");
    source.migrate(&mut thread, here).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    assert_eq!(destination.end(&mut thread, Direction::Incoming), MigrationStatus::Completed);

    let object = Arc::clone(&destination.object);
    let conts = thread::spawn(move || object.cont(&mut attach().lock()));
    meet.wait();
    let before = destination.machine.contents();
    // Somebody else's machine comes in over the one that is here and nowhere else.
    let other = Site::source(4, Script::default());
    (0..4).for_each(|page| other.machine.write(page, 0xbad));
    let (here, there) = connection();
    let begun = destination.migrate_incoming(&mut thread, there);
    if begun.is_ok() {
        other.migrate(&mut thread, here).expect("an idle object");
        other.end(&mut thread, Direction::Outgoing);
        destination.end(&mut thread, Direction::Incoming);
    }
    meet.wait();
    conts.join().expect("a thread").expect("it may go on");
    assert_eq!(destination.machine.run_state(), RunState::Running);
    assert!(
        destination.machine.contents() == before,
        "the machine that had arrived was overwritten; migrate_incoming: {begun:?}"
    );
}
