//! Who has a count of the object, and what that keeps.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use engine::MigrationState;
use migration::bql::BqlGuard;
use migration::{Direction, LifeEventKind, MigrationStatus, RunState, Uri};
use test_support::machine::{MANY_PAGES, Machine, Script, attach};
use test_support::peer::pair;
use test_support::wait::DEADLINE;

use super::{
    begin, begin_to_reader, end, gone, init, is_dropped, mortal, mortal_in, observer, still,
};
use crate::gate::{gate, hold_at_the_end};
use crate::machines::machine_in;
use crate::turn::{my_turn, shutdown};

/// 2018, the object was never finalized: nobody gave its first count back. To lose the right
/// to shut down is a warning (`outside/fail/nocode_right_not_kept.rs`).
#[test]
fn qemu_1f8956041a_the_first_count_is_given_back() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (host, _, machine) = mortal(1, Script::default());
    let (object, life, _) = init(&mut bql, host);
    let retired = shutdown(object, &mut bql);
    assert!(!is_dropped(&life), "the owner has its count back");
    drop(retired);
    assert!(is_dropped(&life), "and that was the last");
    let here = thread::current().name().unwrap_or("").to_owned();
    assert_eq!(machine.try_recv(), Ok(here), "what it held is freed on the spot");
}

/// 2019, at exit the migration thread went on with structures that main had freed. A thread
/// with a borrowed object does not compile (`inside/fail/E0521_borrow_into_a_thread.rs`).
#[test]
fn qemu_892ae715b6_a_migration_that_runs_at_exit_keeps_what_it_uses() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (host, _, machine) = mortal(MANY_PAGES, Script::default());
    let (object, life, _) = init(&mut bql, host);
    let _peer = begin(&mut bql);
    drop(shutdown(object, &mut bql));
    drop(bql);
    gate.wait_for(1);
    assert!(!is_dropped(&life), "the thread has not ended");
    assert!(machine.try_recv().is_err(), "and has its machine");
    gate.open();
    assert_eq!(gone(&life, &mut thread), "mig/src/main");
    assert_eq!(machine.recv_timeout(DEADLINE).as_deref(), Ok("mig/src/main"));
    drop(notifier);
}

/// 2019, cleanup ran in a bottom half after the last unref. Here cleanup borrows the thread's
/// count (`inside/fail/E0505_clean_up_after_the_last_count.rs`).
#[test]
fn qemu_fd392cfa8e_cleanup_ends_before_the_last_count_goes() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    drop(shutdown(object, &mut bql));
    drop(bql);
    gate.wait_for(1);
    assert_eq!(observer.status(), MigrationStatus::Cancelling, "in the middle of cleanup");
    assert!(!is_dropped(&life), "with the owner's count gone");
    gate.open();
    gone(&life, &mut thread);
    assert_eq!(observer.status(), MigrationStatus::Cancelled, "cleanup came to its end");
    drop(notifier);
}

/// 2024, the end of an incoming migration ran in a bottom half on an object that shutdown had
/// freed. A bottom half with a borrowed object does not compile
/// (`inside/fail/nocode_borrow_into_a_bottom_half.rs`).
#[test]
fn qemu_27eb8499ed_an_incoming_migration_ends_on_an_object_that_was_shut_down() {
    let _turn = my_turn();
    let mut thread = attach();
    let (_opened, gate) = gate();
    let passes = Arc::clone(&gate);
    let arrived =
        Box::new(move |_: &Machine, bql: &mut BqlGuard<'_>| bql.unlocked(|_| passes.pass()));
    let script = Script { arrived: Some(arrived), ..Script::default() };
    let (host, told, machine) = mortal_in(RunState::InMigrate, 4, script);
    let mut bql = thread.lock();
    let (object, life, _) = init(&mut bql, host);
    let incoming = observer(&bql, Direction::Incoming);
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let endpoint = |end: UnixStream| migration::Endpoint::with_fd(Uri::Fd(0), end.into());
    migration::migrate_incoming(&mut bql, endpoint(here)).expect("an idle object");
    // The source is a second object of this process, which the face does not see.
    let source = MigrationState::new(still(4)).expect("an object");
    engine::migrate(source.counted(), &mut bql, endpoint(there)).expect("an idle object");
    drop(bql);

    gate.wait_for(1);
    drop(shutdown(object, &mut thread.lock()));
    assert!(!is_dropped(&life), "the thread is at its last step");
    gate.open();
    assert_eq!(gone(&life, &mut thread), "mig/dst/main");
    assert_eq!(incoming.status(), MigrationStatus::Completed, "the machine is here");
    assert_eq!(told.count("arrived"), 1);
    assert_eq!(end(&source.observer(Direction::Outgoing), &mut thread), MigrationStatus::Completed);
    assert_eq!(machine.recv_timeout(DEADLINE).as_deref(), Ok("mig/dst/main"));
}

/// 2025, an incoming migration used the outgoing object, and only the outgoing side counted.
/// Here it is one object, and whoever starts a thread gives a count away
/// (`inside/fail/E0382_one_count_for_two_migrations.rs`).
#[test]
fn qemu_d657a14de5_an_incoming_migration_has_a_count_of_its_own() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let waits = machine_in(RunState::InMigrate, 4, Script::default()).0;
    let (object, life, _) = init(&mut bql, waits);
    let incoming = observer(&bql, Direction::Incoming);
    let before = life.events().len();
    let (endpoint, _peer) = pair();
    migration::migrate_incoming(&mut bql, endpoint).expect("an idle object");
    let counted = life.events()[before..].iter().any(|event| event.what == LifeEventKind::Counted);
    assert!(counted, "before the command returns");
    drop(shutdown(object, &mut bql));
    assert!(!is_dropped(&life), "the thread cannot end before it has the BQL");
    drop(bql);
    assert_eq!(gone(&life, &mut thread), "mig/dst/main");
    assert_eq!(incoming.status(), MigrationStatus::Cancelled);
}

/// 2024, the migration thread took its count itself, and the object could be gone by then.
/// That does not compile (`inside/fail/E0521_count_taken_inside_the_thread.rs`).
#[test]
fn qemu_7fc8beb16e_the_count_is_taken_before_the_thread_is_started() {
    let _turn = my_turn();
    let mut thread = attach();
    for round in 0..50 {
        let mut bql = thread.lock();
        let (object, life, observer) = init(&mut bql, still(1));
        let _peer = begin(&mut bql);
        // The thread may not even have begun.
        drop(shutdown(object, &mut bql));
        let events = life.events();
        let first = |what| events.iter().position(|event| event.what == what);
        let counted = first(LifeEventKind::Counted).expect("a count");
        assert!(Some(counted) < first(LifeEventKind::Retired), "round {round}: {events:?}");
        assert!(!is_dropped(&life), "round {round}: the thread has its count");
        drop(bql);
        assert_eq!(gone(&life, &mut thread), "mig/src/main", "round {round}");
        assert_eq!(observer.status(), MigrationStatus::Cancelled, "round {round}");
    }
}

/// December 2025, shutdown does not join the thread, and main tore down what the thread used.
/// The thread's count keeps it; memory that only borrows is no memory of a machine
/// (`outside/fail/E0310_memory_that_borrows.rs`).
#[test]
fn qemu_december_2025_the_machine_is_torn_down_when_the_thread_is_done_with_it() {
    let _turn = my_turn();
    let mut thread = attach();
    let (_opened, gate) = gate();
    let passes = Arc::clone(&gate);
    // In the middle of a pass, with no lock: the thread reads guest memory before and after.
    let sync = Box::new(move |_: &Machine, _: &mut migration::DirtyBitmap| {
        passes.pass();
        Ok(())
    });
    let (host, told, machine) = mortal(4, Script { sync: Some(sync), ..Script::default() });
    let mut bql = thread.lock();
    let (object, life, observer) = init(&mut bql, host);
    begin_to_reader(&mut bql);
    bql.unlocked(|_| gate.wait_for(1));
    drop(shutdown(object, &mut bql));
    drop(bql);
    // Main has given everything back, as for its end.
    assert!(machine.try_recv().is_err(), "the memory is there");
    assert!(!is_dropped(&life));
    gate.open();
    assert_eq!(gone(&life, &mut thread), "mig/src/main");
    assert_eq!(machine.recv_timeout(DEADLINE).as_deref(), Ok("mig/src/main"), "now it is not");
    assert_eq!(observer.status(), MigrationStatus::Cancelled);
    assert_eq!(told.count("stop"), told.count("resume"), "a machine that was stopped went on");
}
