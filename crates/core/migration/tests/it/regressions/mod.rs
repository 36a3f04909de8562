//! The regressions of QEMU's migration object, each as the same scenario in our terms.
//!
//! Each test names the commit or the month, and its comment says what went wrong there.
//! `docs/regressions.md` has the table. Where the mistake cannot be written any more, the test
//! plays the nearest scenario that can, and the comment names the program in `ui-tests` that does
//! not compile.

mod counts;
mod errors;
mod ours;
mod shutdown;
mod without_the_object;

use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{Direction, Host, Life, LifeEventKind, MigrationStatus, Observer, RunState};
use test_support::machine::{Script, Trace};
use test_support::peer::{self, pair};
use test_support::wait::DEADLINE;

use crate::machines::{machine, machine_in};
use crate::turn::{Owned, object_init, shutdown};

/// A machine, and the name of the thread that is the last to let it go.
fn mortal(pages: usize, script: Script) -> (Host, Trace, Receiver<String>) {
    mortal_in(RunState::Running, pages, script)
}

fn mortal_in(state: RunState, pages: usize, mut script: Script) -> (Host, Trace, Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    script.dropped = Some(Box::new(move || {
        // A test that has failed does not listen.
        let _ = sender.send(thread::current().name().unwrap_or("").to_owned());
    }));
    let (host, told) = machine_in(state, pages, script);
    (host, told, receiver)
}

fn still(pages: usize) -> Host {
    machine(pages, Script::default()).0
}

#[track_caller]
fn init(bql: &mut BqlGuard<'_>, host: Host) -> (Owned, Life, Observer) {
    let object = object_init(bql, host).expect("no object yet");
    let life = migration::life(bql).expect("the life of the object");
    (object, life, observer(bql, Direction::Outgoing))
}

#[track_caller]
fn observer(bql: &BqlGuard<'_>, direction: Direction) -> Observer {
    migration::observer(bql, direction).expect("an object to observe")
}

/// Begins to migrate to a peer that reads nothing.
#[track_caller]
fn begin(bql: &mut BqlGuard<'_>) -> UnixStream {
    let (endpoint, peer) = pair();
    migration::migrate(bql, endpoint).expect("an idle object");
    peer
}

/// Begins to migrate to a peer that reads everything, and says nothing but that it has.
#[track_caller]
fn begin_to_reader(bql: &mut BqlGuard<'_>) {
    // What it makes of a stream that is cut off is no news.
    drop(peer::reads(begin(bql)));
}

#[track_caller]
fn end(observer: &Observer, thread: &mut BqlUnlocked) -> MigrationStatus {
    let status = observer.wait(thread, DEADLINE, |status, _| status.is_terminal());
    assert!(status.is_terminal(), "not over within {DEADLINE:?}: {status}");
    status
}

#[track_caller]
fn wait_until(observer: &Observer, thread: &mut BqlUnlocked, expected: MigrationStatus) {
    let status = observer.wait(thread, DEADLINE, |status, _| status == expected);
    assert_eq!(status, expected, "{:?}", observer.history());
}

fn is_dropped(life: &Life) -> bool {
    life.events().iter().any(|event| event.what == LifeEventKind::Dropped)
}

/// Waits until the object is gone; on which thread it went.
#[track_caller]
fn gone(life: &Life, thread: &mut BqlUnlocked) -> String {
    assert!(life.wait_until_dropped(thread, DEADLINE), "not dropped: {:?}", life.events());
    life.events().pop().expect("a life has events").thread
}

/// Shuts down an object that nothing but this test may still hold.
#[track_caller]
fn shut_down(object: Owned, thread: &mut BqlUnlocked, life: &Life) {
    drop(shutdown(object, &mut thread.lock()));
    gone(life, thread);
}

/// Shuts down in the middle of something. It returns, the object goes, and the machine with it.
#[track_caller]
fn shut_down_in(
    what: &str,
    object: Owned,
    bql: &mut BqlGuard<'_>,
    life: &Life,
    machine: &Receiver<String>,
) -> String {
    let asked = Instant::now();
    drop(shutdown(object, bql));
    let returned = asked.elapsed();
    let last = bql.unlocked(|thread| gone(life, thread));
    println!(
        "{what}: shutdown returned in {returned:?}, the object was gone in {:?}",
        asked.elapsed()
    );
    assert!(returned < DEADLINE, "{what}");
    assert_eq!(
        machine.recv_timeout(DEADLINE).as_deref(),
        Ok(&*last),
        "{what}: the machine goes too"
    );
    assert!(migration::life(bql).is_none(), "{what}");
    last
}
