//! The lock of the C program: QEMU's `bql_lock`, `bql_unlock` and `bql_locked`.
//!
//! # What the C program owes
//!
//! A program built with the feature `c-lock` promises that the three functions it links in keep
//! these duties. Rust cannot check them all.
//!
//! 1. `bql_lock` returns with the lock held by the calling thread, and no other call of it
//!    returns before `bql_unlock`. It is one lock for the whole process, not recursive, and
//!    what happened before an unlock happens before the return of the next lock (as with
//!    any mutex of POSIX).
//! 2. `bql_locked` says whether the calling thread holds it, and has no other effect.
//! 3. None of the three unwinds, jumps out, or calls back into Rust.
//! 4. If Rust calls a C function with the lock held, it returns with the lock held; if without,
//!    without. It may lock and unlock in between.
//! 5. The thread stays the same thread: a coroutine does not move to another one between
//!    lock and unlock.
//!
//! QEMU has `bql_lock` as a macro around `bql_lock_impl`; one line of C gives it a symbol.
//!
//! # What is checked
//!
//! * A thread that holds the lock does not take it again. That would hang or, with a recursive
//!   mutex, give a second proof of one lock.
//! * A thread releases the lock only while it holds it.
//!
//! A violation prints a message and aborts the process.
//!
//! # A thread that C locked
//!
//! Such a thread enters Rust through the unsafe `Guard::lend` of `biglock`, after [`is_locked`]
//! returned `true`.
//!
//! # Waiting for a condition
//!
//! A wait needs no hook in C: the condition variable is biglock's [`Signals`].

use std::cell::Cell;
use std::io::Write;
use std::marker::PhantomData;
use std::thread_local;
use std::time::Duration;

use biglock::{AttachError, Backend, Foreign, FromTokens, Signals, Wait};

// SAFETY: the declarations are those of QEMU's include/qemu/main-loop.h. `bql_locked` can be
// called at any time: duty 2.
unsafe extern "C" {
    fn bql_lock();
    fn bql_unlock();
    safe fn bql_locked() -> bool;
}

/// Returns whether the calling thread holds the lock, whether Rust or C took it.
pub fn is_locked() -> bool {
    bql_locked()
}

/// The C program's lock. All values of this type are the same lock.
#[derive(Debug)]
pub struct CLock {
    _one: (),
}

impl CLock {
    pub(crate) const fn new() -> Self {
        CLock { _one: () }
    }
}

/// The lock as held by the thread that has this value.
///
/// # Invariants
///
/// A value is made on a thread that holds the lock, and stays there. If a thread has several, only
/// the last is used or dropped; the others are in tokens that called out.
#[derive(Debug)]
pub struct Held {
    _thread: PhantomData<*mut ()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if !bql_locked() {
            die("it was released in C while Rust had it");
        }
        // SAFETY: this thread holds the lock, as checked above, and by the invariant no other
        // value that stands for it is used.
        unsafe { bql_unlock() }
    }
}

fn take() -> Held {
    if bql_locked() {
        die("this thread holds it already and takes it again");
    }
    // SAFETY: this thread does not hold the lock, so the call can only wait for another thread.
    unsafe { bql_lock() };
    // INVARIANT: locked on the line above.
    Held { _thread: PhantomData }
}

thread_local! {
    static ATTACHED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: 1 and 2 are duty 1 of the C program: every value of this type means its one lock, and
// `Held` cannot leave its thread. 3: nothing here unwinds, by duty 3 and because `die` aborts the
// process. 4: `ATTACHED`.
unsafe impl Backend for CLock {
    type Held = Held;

    fn lock(&'static self, _: FromTokens) -> Held {
        take()
    }

    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        match ATTACHED.try_with(|attached| attached.replace(true)) {
            Ok(false) => Ok(()),
            Ok(true) => Err(AttachError::AlreadyAttached),
            Err(_) => Err(AttachError::ThreadExiting),
        }
    }

    fn detach(&'static self, _: FromTokens) {
        // Fails only while the thread exits, when it cannot attach again either.
        let _ = ATTACHED.try_with(|attached| attached.set(false));
    }
}

// SAFETY: a forgotten `Held` does not call `bql_unlock`, and one that is dropped does so on a
// thread that holds the lock, by the caller's promise.
unsafe impl Foreign for CLock {
    unsafe fn assume_held(&'static self) -> Held {
        // INVARIANT: the caller's promise, word for word.
        Held { _thread: PhantomData }
    }
}

// SAFETY: both waits return what `lock` returned on this thread just before.
unsafe impl Wait for CLock {
    type Condvar = Signals;

    fn wait(&'static self, condvar: &Signals, held: Held) -> Held {
        condvar.wait(held, take)
    }

    fn wait_timeout(&'static self, condvar: &Signals, held: Held, limit: Duration) -> (Held, bool) {
        condvar.wait_timeout(held, limit, take)
    }

    fn notify_one(condvar: &Signals) {
        condvar.notify_one();
    }

    fn notify_all(condvar: &Signals) {
        condvar.notify_all();
    }
}

/// Aborts the process, because it is unknown which thread holds the lock.
fn die(what: &str) -> ! {
    // If standard error is closed, the message is lost.
    let _ = writeln!(std::io::stderr(), "lastref: the big lock: {what}");
    std::process::abort()
}
