//! What these tests found here, which never was QEMU's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use migration::bql::BqlGuard;
use migration::{
    Direction, Host, Life, MigrationEvent, MigrationParameters, MigrationStatus, RunState, Uri,
};
use test_support::machine::{MANY_PAGES, Script, attach, lock};

use super::{begin, init, is_dropped, observer, shut_down, still, wait_until};
use crate::machines::{machine, machine_in};
use crate::turn::{my_turn, shutdown};

/// Ours, not QEMU's: a cancel that gets the BQL just when cleanup is done. The end is published
/// before anybody else has the lock, so it comes too early or too late, and never in between.
#[test]
fn a_cancel_as_cleanup_ends_comes_before_the_end_or_after() {
    let _turn = my_turn();
    let mut thread = attach();
    let cleaning = Arc::new(AtomicUsize::new(0));
    let cleans = Arc::clone(&cleaning);
    let notifier = migration::add_notifier(&mut thread.lock(), move |_, event| {
        if event == MigrationEvent::PrecopyFailed {
            cleans.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    for direction in [Direction::Outgoing, Direction::Incoming] {
        for round in 0..200 {
            let mut bql = thread.lock();
            let state = match direction {
                Direction::Outgoing => RunState::Running,
                Direction::Incoming => RunState::InMigrate,
            };
            let host = machine_in(state, 1, Script::default()).0;
            let (object, life, _) = init(&mut bql, host);
            let observer = observer(&bql, direction);
            let nowhere = Uri::Unix("/nowhere/socket".into());
            cleaning.store(0, Ordering::SeqCst);
            match direction {
                Direction::Outgoing => migration::migrate(&mut bql, nowhere.into()),
                Direction::Incoming => migration::migrate_incoming(&mut bql, nowhere.into()),
            }
            .expect("an idle object");
            drop(bql);
            // An outgoing migration holds the BQL from its notifier on.
            let cleans_up = || cleaning.load(Ordering::SeqCst) != 0 || !observer.is_running();
            while direction == Direction::Outgoing && !cleans_up() {
                thread::yield_now();
            }
            migration::cancel(&mut thread.lock(), direction);
            shut_down(object, &mut thread, &life);
            let history = observer.history();
            // Seen as `cancelling` it may have come too late all the same.
            let ends: &[MigrationStatus] = match history.contains(&MigrationStatus::Cancelling) {
                true => &[MigrationStatus::Cancelled, MigrationStatus::Failed],
                false => &[MigrationStatus::Failed],
            };
            let last = history.last().expect("it has begun");
            assert!(ends.contains(last), "{direction:?} {round}: {history:?}");
        }
    }
    drop(notifier);
}

/// Ours, not QEMU's: a machine without memory has nothing to send again and again.
#[test]
fn a_machine_without_memory_moves_and_can_be_cancelled() {
    struct NoMemory;
    impl migration::Vm for NoMemory {
        fn run_state(&self, _bql: &BqlGuard<'_>) -> migration::RunState {
            migration::RunState::Running
        }
        fn stop_for_migration(&self, _bql: &mut BqlGuard<'_>) -> migration::RunState {
            migration::RunState::Running
        }
        fn resume_after_failure(&self, _bql: &mut BqlGuard<'_>, _: &migration::VmStopped) {}
        fn has_moved(&self, _bql: &mut BqlGuard<'_>, _: &migration::VmStopped) {}
        fn has_arrived(&self, _bql: &mut BqlGuard<'_>, _: &migration::VmArrived) {}
    }
    let _turn = my_turn();
    let mut thread = attach();
    let host = || Host::new("bare", NoMemory);
    let (object, life, observer) = init(&mut thread.lock(), host());
    let null = Uri::File { path: "/dev/null".into(), offset: 0 };
    migration::migrate(&mut thread.lock(), null.into()).expect("an idle object");
    let status =
        observer.wait(&mut thread, Duration::from_secs(5), |status, _| status.is_terminal());
    // A thread that goes round for ever is shut down before the test says so.
    drop(shutdown(object, &mut thread.lock()));
    let gone = life.wait_until_dropped(&mut thread, Duration::from_secs(5));
    let passes = observer.info().dirty_sync_count;
    assert_eq!((status, gone), (MigrationStatus::Completed, true), "after {passes} passes");
}

/// Ours, not QEMU's: the parameter `mode` is of the next migration, and who heard that this one
/// began hears how it ended.
#[test]
fn a_mode_set_while_one_runs_does_not_take_the_end_from_its_notifiers() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let heard = Arc::<Mutex<Vec<MigrationEvent>>>::default();
    let hears = Arc::clone(&heard);
    let notifier = migration::add_notifier(&mut bql, move |_, event| {
        lock(&hears).push(event);
        Ok(())
    });
    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| wait_until(&observer, thread, MigrationStatus::Active));
    let next = MigrationParameters { mode: migration::MigMode::CprReboot, ..Default::default() };
    migration::set_parameters(&bql, next).expect("parameters in their range");
    drop(bql);
    shut_down(object, &mut thread, &life);
    drop(notifier);
    let heard = lock(&heard).clone();
    assert_eq!(heard, [MigrationEvent::PrecopySetup, MigrationEvent::PrecopyFailed]);
}

/// Ours, not QEMU's: who waits for the end of an object may use its machine's file next.
#[test]
fn the_end_of_an_object_is_told_when_its_machine_is_gone() {
    let _turn = my_turn();
    let mut thread = attach();
    let told = Arc::<Mutex<Option<Life>>>::default();
    let (asks, (sender, receiver)) = (Arc::clone(&told), mpsc::channel());
    let dropped = move || {
        let life = lock(&asks).take().expect("the life of its object");
        // A test that has failed does not listen.
        let _ = sender.send(is_dropped(&life));
    };
    let script = Script { dropped: Some(Box::new(dropped)), ..Script::default() };
    let (object, life, _) = init(&mut thread.lock(), machine(1, script).0);
    lock(&told).replace(life.clone());
    let retired = shutdown(object, &mut thread.lock());
    retired.give_back(&mut thread);
    assert_eq!(receiver.try_recv(), Ok(false), "the machine goes first");
    assert!(is_dropped(&life));
}
