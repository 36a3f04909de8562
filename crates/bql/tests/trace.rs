//! Who held the lock is known afterwards, also where a wait gave it back.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bql::{BqlCondvar, BqlGuarded, BqlUnlocked, trace};

/// One test, since there is one lock and one record of it.
#[test]
fn holds_are_noted_from_start_to_stop_each_with_its_thread() {
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
    assert!(by.iter().filter(|name| **name == here).count() >= 4, "{by:?}");
    for hold in &holds {
        assert!(hold.asked <= hold.taken && hold.taken <= hold.released, "{hold:?}");
    }
    for pair in holds.windows(2) {
        assert!(pair[0].released <= pair[1].taken, "two threads held it at once: {pair:?}");
    }

    drop(main.lock());
    assert!(trace::stop().is_empty(), "nothing is noted after the end");
}
