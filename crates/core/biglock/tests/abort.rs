//! A guard without the lock is never seen: where the lock cannot be taken again, the process
//! aborts. Each case runs in a process of its own.
//!
//! A program of its own: what aborts would end the other tests.
//!
//! The backend is this file's, so the tests run without the feature `std` too:
//! `cargo test -p lastref-biglock --no-default-features --test abort`
#![cfg(unix)]

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Duration;

use biglock::{AttachError, Backend, Condvar, FromTokens, Guard, Lock, Unlocked, Wait};

thread_local! {
    /// How many calls of `lock` return on this thread before one unwinds.
    static LOCKS_LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
    /// Whether a wait unwinds after it released the lock.
    static WAIT_UNWINDS: Cell<bool> = const { Cell::new(false) };
}

/// A lock for programs with one thread, whose `lock` unwinds when [`LOCKS_LEFT`] is used up.
struct Unwinds;

struct Held;

/// The limit that runs out; no other does.
const RUNS_OUT: Duration = Duration::from_millis(7);

// SAFETY: 1 and 2: no test starts a second thread that locks. 3 is what the tests break, and
// what the crate answers by an abort. 4: each test attaches once. 5: nothing is kept.
unsafe impl Backend for Unwinds {
    type Held = Held;

    fn lock(&'static self, _: FromTokens) -> Held {
        let left = LOCKS_LEFT.get();
        assert!(left > 0, "the lock cannot be taken");
        LOCKS_LEFT.set(left - 1);
        Held
    }

    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        Ok(())
    }

    fn detach(&'static self, _: FromTokens) {}
}

// SAFETY: both waits return what stands for the lock of the one thread, or unwind.
unsafe impl Wait for Unwinds {
    type Condvar = ();

    fn wait(&'static self, (): &(), _: Held) -> Held {
        assert!(!WAIT_UNWINDS.get(), "the wait unwinds");
        Held
    }

    fn wait_timeout(&'static self, condvar: &(), held: Held, limit: Duration) -> (Held, bool) {
        (self.wait(condvar, held), limit == RUNS_OUT)
    }

    fn notify_one((): &()) {}

    fn notify_all((): &()) {}
}

enum L {}

impl Lock for L {
    type Backend = Unwinds;
    const LOCK: &'static Unwinds = &Unwinds;
}

/// Runs the test `name` again in another process, where a guard is used by `misuse` and the lock
/// can be taken `locks` times. That process must abort, even if everything that unwinds is caught.
fn aborts(name: &str, locks: u32, misuse: fn(&mut Guard<'_, L>)) {
    const CHILD: &str = "LASTREF_TEST_ABORTS";
    const SEEN: &str = "a guard without the lock was seen";
    if std::env::var_os(CHILD).is_some() {
        LOCKS_LEFT.set(locks);
        let mut thread = Unlocked::<L>::attach().expect("the one token");
        let mut guard = thread.lock();
        let _ = catch_unwind(AssertUnwindSafe(|| misuse(&mut guard)));
        println!("{SEEN}");
        std::process::exit(0);
    }
    let output = Command::new(std::env::current_exe().expect("a test is a program"))
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("it starts again");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains(SEEN), "{said}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "it aborts: {said}");
    assert!(said.contains("the lock cannot be taken"), "for the reason that was meant: {said}");
}

#[test]
fn unlocked_that_cannot_lock_again_aborts() {
    aborts("unlocked_that_cannot_lock_again_aborts", 1, |guard| guard.unlocked(|_| ()));
}

#[test]
fn unlocked_that_cannot_lock_again_while_unwinding_aborts() {
    aborts("unlocked_that_cannot_lock_again_while_unwinding_aborts", 1, |guard| {
        guard.unlocked(|_| panic!("in unlocked"));
    });
}

#[test]
fn a_wait_that_unwinds_and_cannot_lock_again_aborts() {
    aborts("a_wait_that_unwinds_and_cannot_lock_again_aborts", 1, |guard| {
        WAIT_UNWINDS.set(true);
        Condvar::<L>::new().wait(guard);
    });
}

#[test]
fn a_timed_wait_that_unwinds_and_cannot_lock_again_aborts() {
    aborts("a_timed_wait_that_unwinds_and_cannot_lock_again_aborts", 1, |guard| {
        WAIT_UNWINDS.set(true);
        Condvar::<L>::new().wait_timeout(guard, Duration::ZERO);
    });
}

/// A wait takes the lock itself, so nothing is taken again after one that returns.
#[test]
fn a_wait_that_returns_takes_no_lock_again() {
    LOCKS_LEFT.set(1);
    let mut thread = Unlocked::<L>::attach().expect("the one token");
    let mut guard = thread.lock();
    Condvar::<L>::new().wait(&mut guard);
    assert!(Condvar::<L>::new().wait_timeout(&mut guard, RUNS_OUT));
    assert!(!Condvar::<L>::new().wait_timeout(&mut guard, 2 * RUNS_OUT));
    assert_eq!(LOCKS_LEFT.get(), 0);
}

/// A `lock` that unwinds where no guard is at stake is an ordinary panic, and the token stays good.
#[test]
fn a_first_lock_that_unwinds_leaves_the_token_without_the_lock() {
    LOCKS_LEFT.set(0);
    let mut thread = Unlocked::<L>::attach().expect("the one token");
    assert!(catch_unwind(AssertUnwindSafe(|| drop(thread.lock()))).is_err());
    LOCKS_LEFT.set(1);
    drop(thread.lock());
    assert_eq!(LOCKS_LEFT.get(), 0, "the second call locked, and did not adopt");
}
