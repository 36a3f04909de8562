//! What each backend promises, as a function of the lock.

use std::fmt::{self, Debug, Write};
use std::mem;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use biglock::{AttachError, Condvar, Fair, Guarded, Lock, Timed, TryLock, Unlocked, Wait};

use crate::attach;

pub(crate) fn one_thread_at_a_time<L: Lock>(count: &'static Guarded<u64, L>) {
    *count.borrow_mut(&mut attach::<L>().lock()) = 0;
    let workers: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                let mut thread = attach::<L>();
                for _ in 0..2_000 {
                    let mut guard = thread.lock();
                    let seen = *count.borrow(&guard);
                    *count.borrow_mut(&mut guard) = seen + 1;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().expect("a worker");
    }
    assert_eq!(*count.borrow(&attach::<L>().lock()), 8_000);
}

pub(crate) fn one_token_a_thread<L: Lock>() {
    let token = attach::<L>();
    assert_eq!(Unlocked::<L>::attach().err(), Some(AttachError::AlreadyAttached));
    thread::spawn(|| drop(attach::<L>())).join().expect("another thread has its own");
    drop(token);
    drop(attach::<L>());
}

pub(crate) fn try_lock_takes_a_free_lock_only<L: Lock<Backend: TryLock>>() {
    let mut thread = attach::<L>();
    mem::forget(thread.try_lock().expect("a free lock"));
    assert!(!free_elsewhere::<L>(), "a leaked guard keeps the lock");
    drop(thread.try_lock().expect("the thread holds it, and adopts it"));
    assert!(free_elsewhere::<L>());
}

/// Code that prints a lock has no guard, and what it writes to may lock.
pub(crate) fn printing_takes_no_lock<L: Lock<Backend: TryLock + Debug>>() {
    struct Writer<L: Lock>(Unlocked<L>);
    impl<L: Lock<Backend: TryLock>> Write for Writer<L> {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            self.0.try_lock().map(drop).ok_or(fmt::Error)
        }
    }
    write!(Writer(attach::<L>()), "{:?}", L::LOCK).expect("a free lock");
}

/// Returns whether another thread can take the lock.
fn free_elsewhere<L: Lock<Backend: TryLock>>() -> bool {
    thread::spawn(|| attach::<L>().try_lock().is_some()).join().expect("a thread")
}

pub(crate) fn waits_no_longer_than_told<L: Lock<Backend: Timed>>(_: &'static Guarded<u64, L>) {
    let mut thread = attach::<L>();
    let guard = thread.lock_timeout(Duration::from_secs(60)).expect("a free lock");
    let other = thread::spawn(|| attach::<L>().lock_timeout(Duration::from_millis(1)).is_some());
    assert!(!other.join().expect("a thread"));
    drop(guard);
}

pub(crate) fn passes_on<L: Lock<Backend: Fair>>(count: &'static Guarded<u64, L>) {
    let mut thread = attach::<L>();
    let mut guard = thread.lock();
    *count.borrow_mut(&mut guard) = 0;
    let other = thread::spawn(|| *count.borrow_mut(&mut attach::<L>().lock()) = 1);
    // Ends only if the other thread has its turn though this one does not rest.
    while *count.borrow(&guard) == 0 {
        guard.bump();
    }
    guard.unlock_fair();
    other.join().expect("a thread");
    drop(thread.lock());
}

pub(crate) fn waits<L: Lock<Backend: Wait>>(count: &'static Guarded<u64, L>) {
    const ROUNDS: u64 = 500;
    /// Adds 1 whenever the count is even, or odd.
    fn play<L: Lock<Backend: Wait>>(
        count: &Guarded<u64, L>,
        changed: &Condvar<L>,
        parity: u64,
        notify: fn(&Condvar<L>),
    ) {
        let mut thread = attach::<L>();
        let mut guard = thread.lock();
        for _ in 0..ROUNDS {
            changed.wait_while(&mut guard, |guard| *count.borrow(guard) % 2 != parity);
            *count.borrow_mut(&mut guard) += 1;
            notify(changed);
        }
    }
    *count.borrow_mut(&mut attach::<L>().lock()) = 0;
    let changed: &'static Condvar<L> = Box::leak(Box::new(Condvar::new()));
    let other = thread::spawn(|| play(count, changed, 1, Condvar::notify_all));
    play(count, changed, 0, Condvar::notify_one);
    other.join().expect("a thread");

    let mut thread = attach::<L>();
    let mut guard = thread.lock();
    assert_eq!(*count.borrow(&guard), 2 * ROUNDS);
    assert!(changed.wait_timeout(&mut guard, Duration::from_millis(1)), "nobody notifies");
    every_notification_wakes_one(count, changed, &mut guard);
}

/// Three threads wait, and each is woken by a notification of its own.
fn every_notification_wakes_one<L: Lock<Backend: Wait>>(
    count: &'static Guarded<u64, L>,
    changed: &'static Condvar<L>,
    guard: &mut biglock::Guard<'_, L>,
) {
    *count.borrow_mut(guard) = 0;
    let (waits, waiting) = channel();
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let waits = waits.clone();
            thread::spawn(move || {
                let mut thread = attach::<L>();
                let mut guard = thread.lock();
                // The lock is held from here to the wait, so who hears this and then locks comes
                // after the wait began.
                waits.send(()).expect("the test listens");
                changed.wait_while(&mut guard, |guard| *count.borrow(guard) == 0);
                *count.borrow_mut(&mut guard) -= 1;
            })
        })
        .collect();
    guard.unlocked(|_| {
        for _ in 0..3 {
            waiting.recv().expect("three threads");
        }
    });
    *count.borrow_mut(guard) = 3;
    for _ in 0..3 {
        changed.notify_one();
    }
    guard.unlocked(|_| {
        for waiter in waiters {
            waiter.join().expect("it was woken");
        }
    });
    assert_eq!(*count.borrow(guard), 0);
}
