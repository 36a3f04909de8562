//! Who held the lock is known afterwards, also where a wait gave it back.
//!
//! A program of its own: each use of the lock in the process is in the trace.

use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use bql::trace::{self, Hold};
use bql::{BqlCondvar, BqlGuarded, BqlUnlocked};

#[cfg(feature = "c-lock")]
mod c_program;

/// One test at a time, since there is one lock and one record of it.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn holds_are_noted_from_start_to_stop_each_with_its_thread() {
    let _alone = alone();
    static READY: BqlGuarded<bool> = BqlGuarded::new(false);
    let changed = BqlCondvar::new();
    let mut main = BqlUnlocked::attach().expect("the only token of this thread");

    drop(main.lock());
    assert!(trace::stop().is_empty(), "nothing is noted before it is asked for");

    trace::start();
    let mut guard = main.lock();
    thread::scope(|scope| {
        let (asks, asked) = mpsc::channel();
        let changed = &changed;
        let other = thread::Builder::new().name("other".into());
        let other = other.spawn_scoped(scope, move || {
            let mut thread = BqlUnlocked::attach().expect("the only token of that thread");
            asks.send(()).expect("somebody who hears it");
            *READY.borrow_mut(&mut thread.lock()) = true;
            changed.notify_all();
        });
        other.expect("a thread");
        asked.recv().expect("a thread that asks for the lock");
        // The wait gives the lock to the other thread.
        changed.wait_while(&mut guard, |guard| !*READY.borrow(guard));
        guard.unlocked(|_| ());
        changed.wait_timeout(&mut guard, Duration::from_millis(1));
    });
    drop(guard);
    let holds = trace::stop();

    let here = thread::current().name().expect("the name of the test").to_owned();
    let by: Vec<&str> = holds.iter().map(|hold| hold.thread.as_str()).collect();
    let first = by.iter().position(|name| *name == "other").expect("the other thread's hold");
    assert!(first >= 1, "this thread had it first: {by:?}");
    assert_eq!(by.iter().filter(|name| **name == "other").count(), 1, "{by:?}");
    // Until the first wait, until `unlocked`, until the second wait, until the end; and perhaps
    // a wait that woke for no reason.
    let here: Vec<&Hold> = holds.iter().filter(|hold| hold.thread == here).collect();
    assert!(here.len() >= 4, "{by:?}");
    assert_eq!(here[1].asked, here[1].taken, "after a wait for a condition");
    for hold in &holds {
        assert!(hold.asked <= hold.taken && hold.taken <= hold.released, "{hold:?}");
    }
    for pair in holds.windows(2) {
        assert!(pair[0].released <= pair[1].taken, "two threads held it at once: {pair:?}");
    }

    drop(main.lock());
    assert!(trace::stop().is_empty(), "nothing is noted after the end");
}

#[test]
fn no_two_holds_overlap_however_often_the_lock_changes_hands() {
    let _alone = alone();
    trace::start();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut thread = BqlUnlocked::attach().expect("the only token of that thread");
            let mut guard = thread.lock();
            for _ in 0..1_000 {
                BqlCondvar::new().wait_timeout(&mut guard, Duration::from_micros(1));
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut thread = BqlUnlocked::attach().expect("the only token of that thread");
                for _ in 0..20_000 {
                    drop(thread.lock());
                }
            });
        }
    });
    let holds = trace::stop();
    assert_eq!(holds.len(), 1 + 1_000 + 2 * 20_000, "each wait ends a hold");
    for pair in holds.windows(2) {
        assert!(pair[0].released <= pair[1].taken, "two threads held it at once: {pair:?}");
    }
}

/// The longer the lock is held, the surer the other thread has asked for it by then.
#[test]
fn a_thread_asks_before_the_lock_is_released_to_it() {
    let _alone = alone();
    let mut main = BqlUnlocked::attach().expect("the only token of this thread");
    for milliseconds in 0..200 {
        trace::start();
        let guard = main.lock();
        thread::scope(|scope| {
            let (asks, asked) = mpsc::channel();
            scope.spawn(move || {
                let mut thread = BqlUnlocked::attach().expect("the only token of that thread");
                asks.send(()).expect("somebody who hears it");
                drop(thread.lock());
            });
            asked.recv().expect("a thread that asks for the lock");
            thread::sleep(Duration::from_millis(milliseconds));
            drop(guard);
        });
        let holds = trace::stop();
        let [first, second] = &*holds else { panic!("two holds, and not {holds:?}") };
        if second.asked < first.released {
            return;
        }
    }
    panic!("it never asks before the lock is free");
}

#[test]
fn what_was_held_at_the_end_of_a_record_is_not_in_the_next() {
    let _alone = alone();
    let mut thread = BqlUnlocked::attach().expect("the only token of this thread");
    trace::start();
    let guard = thread.lock();
    assert!(trace::stop().is_empty(), "it holds the lock now");
    drop(guard);
    trace::start();
    assert!(trace::stop().is_empty(), "nobody has held it since");
}
