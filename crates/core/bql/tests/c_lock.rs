//! The tokens over a lock that is not ours, with the C program played by a module of the tests.
//!
//! A program of its own: it is built with the feature `c-lock`, and defines the C program's functions.

use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bql::c_lock::is_locked;
use bql::{BqlCondvar, BqlGuard, BqlGuarded, BqlUnlocked};

use c_program::{bql_lock, bql_unlock};

mod c_program;

#[test]
fn a_guard_holds_the_lock_of_c() {
    thread::spawn(|| {
        let mut thread = BqlUnlocked::attach().expect("first attach");
        assert!(!is_locked());
        let mut guard = thread.lock();
        assert!(is_locked());
        guard.unlocked(|_| assert!(!is_locked()));
        assert!(is_locked());
        drop(guard);
        assert!(!is_locked());
        assert!(BqlUnlocked::attach().is_err(), "one token a thread");
    })
    .join()
    .expect("no assertion failed");
}

/// What notes that a thread is attached needs no destructor, unlike the list of `StdMutex`.
#[test]
fn a_thread_that_ends_may_lock_to_the_end() {
    struct Locks(mpsc::Sender<bool>);
    impl Drop for Locks {
        fn drop(&mut self) {
            let locked = BqlUnlocked::attach().map(|mut thread| drop(thread.lock()));
            self.0.send(locked.is_ok()).expect("the test waits");
        }
    }
    thread_local! {
        static AT_THE_END: RefCell<Option<Locks>> = const { RefCell::new(None) };
    }
    let (report, reports) = mpsc::channel();
    thread::spawn(move || {
        AT_THE_END.set(Some(Locks(report)));
        drop(BqlUnlocked::attach().expect("first attach"));
    });
    assert_eq!(reports.recv(), Ok(true));
}

#[test]
fn a_thread_that_c_locked_is_lent_a_guard_and_holds_the_lock_afterwards() {
    thread::spawn(|| {
        bql_lock();
        // SAFETY: locked on the line above, and there is no other guard.
        let answer = unsafe {
            BqlGuard::lend(|guard| {
                guard.unlocked(|_| assert!(!is_locked()));
                assert!(is_locked());
                BqlUnlocked::attach().is_err()
            })
        };
        assert!(answer, "a thread that was lent a guard counts as attached");
        assert!(is_locked(), "the lock is still C's");
        bql_unlock();
        let _thread = BqlUnlocked::attach().expect("and after that it does not");
    })
    .join()
    .expect("no assertion failed");
}

#[test]
fn a_wait_releases_the_lock_of_c_and_misses_no_notification() {
    static TURN: BqlGuarded<u32> = BqlGuarded::new(0);
    const TURNS: u32 = 2_000;
    let changed = BqlCondvar::new();
    let play = |mine: u32| {
        let mut thread = BqlUnlocked::attach().expect("first attach");
        let mut guard = thread.lock();
        loop {
            changed.wait_while(&mut guard, |guard| {
                let turn = *TURN.borrow(guard);
                turn < TURNS && turn % 2 != mine
            });
            if *TURN.borrow(&guard) >= TURNS {
                break;
            }
            *TURN.borrow_mut(&mut guard) += 1;
            changed.notify_one();
        }
        changed.notify_all();
    };
    thread::scope(|scope| {
        scope.spawn(|| play(0));
        scope.spawn(|| play(1));
    });
}

/// A condition of this lock sleeps until it is notified, and does not wake for no reason.
#[test]
fn a_wait_for_the_lock_of_c_ends_with_a_notification_and_not_before() {
    static NOTIFIED: BqlGuarded<bool> = BqlGuarded::new(false);
    static WAITING: BqlGuarded<bool> = BqlGuarded::new(false);
    let changed = BqlCondvar::new();
    for _ in 0..200 {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut thread = BqlUnlocked::attach().expect("first attach");
                let mut guard = thread.lock();
                *WAITING.borrow_mut(&mut guard) = true;
                changed.wait(&mut guard);
                assert!(*NOTIFIED.borrow(&guard), "it woke for no reason");
                *WAITING.borrow_mut(&mut guard) = false;
                *NOTIFIED.borrow_mut(&mut guard) = false;
            });
            let mut thread = BqlUnlocked::attach().expect("first attach");
            let mut guard = thread.lock();
            while !*WAITING.borrow(&guard) {
                guard.unlocked(|_| thread::yield_now());
            }
            guard.unlocked(|_| thread::yield_now());
            *NOTIFIED.borrow_mut(&mut guard) = true;
            changed.notify_one();
        });
    }
}

#[test]
fn a_wait_with_a_limit_ends_with_the_lock_held() {
    thread::spawn(|| {
        let mut thread = BqlUnlocked::attach().expect("first attach");
        let mut guard = thread.lock();
        assert!(BqlCondvar::new().wait_timeout(&mut guard, Duration::from_millis(1)));
        assert!(is_locked());
    })
    .join()
    .expect("no assertion failed");
}

/// Runs the test `name` again in a process that does what it should not.
fn ends_with(name: &str, sentence: &str, misuse: fn()) {
    const CHILD: &str = "LASTREF_TEST_MISUSE";
    if std::env::var_os(CHILD).is_some() {
        return misuse();
    }
    let output = Command::new(std::env::current_exe().expect("a test is a program"))
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("it starts again");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "it aborts: {said}");
    assert!(said.contains(&format!("lastref: the big lock: {sentence}")), "{said}");
}

#[test]
fn to_lock_where_c_holds_the_lock_ends_the_process() {
    let name = "to_lock_where_c_holds_the_lock_ends_the_process";
    ends_with(name, "this thread holds it already", || {
        let mut thread = BqlUnlocked::attach().expect("first attach");
        bql_lock();
        drop(thread.lock());
    });
}

#[test]
fn a_guard_whose_lock_c_released_ends_the_process() {
    let name = "a_guard_whose_lock_c_released_ends_the_process";
    ends_with(name, "it was released in C while Rust had it", || {
        let mut thread = BqlUnlocked::attach().expect("first attach");
        let guard = thread.lock();
        bql_unlock();
        drop(guard);
    });
}

#[test]
fn a_token_that_locks_while_a_guard_is_lent_ends_the_process() {
    let name = "a_token_that_locks_while_a_guard_is_lent_ends_the_process";
    ends_with(name, "this thread holds it already", || {
        let mut thread = BqlUnlocked::attach().expect("first attach");
        bql_lock();
        // SAFETY: locked on the line above. That the token locks breaks duty 2, which this
        // backend sees before there is a second guard.
        unsafe { BqlGuard::lend(|_| drop(thread.lock())) }
    });
}
