//! The tokens over a lock that is not ours, with the C program played by this file.

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use bql::c_lock::is_locked;
use bql::{BqlCondvar, BqlGuard, BqlGuarded, BqlUnlocked};

/// Whether somebody has the lock.
static TAKEN: Mutex<bool> = Mutex::new(false);
static RELEASED: Condvar = Condvar::new();

thread_local! {
    static MINE: Cell<bool> = const { Cell::new(false) };
}

#[unsafe(no_mangle)]
extern "C" fn bql_lock() {
    let taken = TAKEN.lock().expect("nobody panics with it");
    let mut taken = RELEASED.wait_while(taken, |taken| *taken).expect("nobody panics with it");
    *taken = true;
    MINE.set(true);
}

#[unsafe(no_mangle)]
extern "C" fn bql_unlock() {
    MINE.set(false);
    *TAKEN.lock().expect("nobody panics with it") = false;
    RELEASED.notify_one();
}

#[unsafe(no_mangle)]
extern "C" fn bql_locked() -> bool {
    MINE.get()
}

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
