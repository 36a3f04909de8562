//! The tokens of the BQL and its conditions, whatever lock and whatever record stand behind them:
//! these tests run with every set of features.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bql::{AttachError, BqlCondvar, BqlGuard, BqlGuarded, BqlUnlocked};

#[cfg(feature = "c-lock")]
mod c_program;

/// Longer than any test takes. Only a fault makes a test wait for so long.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_thread_has_one_token_and_may_give_it_back() {
    let token = BqlUnlocked::attach().expect("first attach");
    for _ in 0..2 {
        assert_eq!(BqlUnlocked::attach().err(), Some(AttachError::AlreadyAttached));
    }
    drop(token);
    drop(BqlUnlocked::attach().expect("given back, so free again"));
}

/// A condition that threads wait for.
#[derive(Default)]
struct Condition {
    waiting: BqlGuarded<u32>,
    ready: BqlGuarded<bool>,
    changed: BqlCondvar,
}

impl Condition {
    fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    /// Starts `count` threads. When this returns each has let the lock go in its wait.
    fn start_waiters(
        &'static self,
        guard: &mut BqlGuard<'_>,
        count: u32,
        wait: fn(&Self, &mut BqlGuard<'_>),
    ) -> mpsc::Receiver<()> {
        let (woken, report) = mpsc::channel();
        for _ in 0..count {
            let woken = woken.clone();
            thread::spawn(move || {
                let mut thread = BqlUnlocked::attach().expect("a new thread");
                let mut guard = thread.lock();
                *self.waiting.borrow_mut(&mut guard) += 1;
                wait(self, &mut guard);
                drop(guard);
                woken.send(()).expect("the test waits");
            });
        }
        while *self.waiting.borrow(guard) < count {
            guard.unlocked(|_| thread::yield_now());
        }
        report
    }

    fn wait(&self, guard: &mut BqlGuard<'_>) {
        self.changed.wait_while(guard, |guard| !*self.ready.borrow(guard));
    }

    fn wait_with_a_limit(&self, guard: &mut BqlGuard<'_>) {
        while !*self.ready.borrow(guard) {
            assert!(!self.changed.wait_timeout(guard, 2 * LONG), "the limit did not run out");
        }
    }
}

#[test]
fn notify_one_wakes_a_waiting_thread() {
    for wait in [Condition::wait, Condition::wait_with_a_limit] {
        let condition = Condition::new();
        let mut thread = BqlUnlocked::attach().expect("first attach");
        let mut guard = thread.lock();
        let woken = condition.start_waiters(&mut guard, 1, wait);
        *condition.ready.borrow_mut(&mut guard) = true;
        condition.changed.notify_one();
        guard.unlocked(|_| woken.recv_timeout(LONG).expect("it wakes"));
    }
}

#[test]
fn notify_all_wakes_every_waiting_thread() {
    for wait in [Condition::wait, Condition::wait_with_a_limit] {
        let condition = Condition::new();
        let mut thread = BqlUnlocked::attach().expect("first attach");
        let mut guard = thread.lock();
        let woken = condition.start_waiters(&mut guard, 3, wait);
        *condition.ready.borrow_mut(&mut guard) = true;
        condition.changed.notify_all();
        guard.unlocked(|_| {
            for _ in 0..3 {
                woken.recv_timeout(LONG).expect("each wakes");
            }
        });
    }
}

#[test]
fn a_limit_that_runs_out_is_reported() {
    let mut thread = BqlUnlocked::attach().expect("first attach");
    assert!(BqlCondvar::new().wait_timeout(&mut thread.lock(), Duration::from_millis(1)));
}

/// A thread that has been woken waits for the lock, and holds nothing that notifying needs.
#[test]
fn to_notify_with_the_lock_held_waits_for_nobody() {
    for wait in [Condition::wait, Condition::wait_with_a_limit] {
        let (notified, report) = mpsc::channel();
        thread::spawn(move || {
            let condition = Condition::new();
            let mut thread = BqlUnlocked::attach().expect("a new thread");
            let mut guard = thread.lock();
            let woken = condition.start_waiters(&mut guard, 1, wait);
            *condition.ready.borrow_mut(&mut guard) = true;
            for _ in 0..1_000 {
                condition.changed.notify_one();
                thread::yield_now();
            }
            guard.unlocked(|_| woken.recv()).expect("it wakes");
            notified.send(()).expect("the test waits");
        });
        report.recv_timeout(LONG).expect("nobody waits for the other");
    }
}

/// A notification between the release and the sleep of a waiting thread is not lost.
#[test]
fn no_notification_is_lost() {
    for wait in [Condition::wait, Condition::wait_with_a_limit] {
        let (done, report) = mpsc::channel();
        thread::spawn(move || {
            let mut thread = BqlUnlocked::attach().expect("a new thread");
            for _ in 0..500 {
                let condition = Condition::new();
                let mut guard = thread.lock();
                let woken = condition.start_waiters(&mut guard, 1, wait);
                *condition.ready.borrow_mut(&mut guard) = true;
                condition.changed.notify_one();
                guard.unlocked(|_| woken.recv()).expect("it wakes");
            }
            done.send(()).expect("the test waits");
        });
        report.recv_timeout(LONG).expect("each thread was woken");
    }
}
