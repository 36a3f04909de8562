//! The lock of the C program: QEMU's `bql_lock`, `bql_unlock` and `bql_locked`.
//!
//! # What the C program owes
//!
//! To build with the feature `c-lock` is to promise that the three functions that are linked
//! in keep these duties; nothing here can check them all.
//!
//! 1. `bql_lock` returns with the lock held by the calling thread, and no other call of it
//!    returns before `bql_unlock`. It is one lock for the whole process, not recursive, and
//!    what happened before an unlock happens before the return of the next lock (as with
//!    any mutex of POSIX).
//! 2. `bql_locked` says whether the calling thread holds it, and has no other effect.
//! 3. None of the three unwinds, jumps out, or calls back into Rust.
//! 4. A C function that Rust calls returns on the side of the lock on which it was called.
//!    What it does in between is its own affair.
//! 5. The thread stays the same thread: a coroutine does not move to another one between
//!    lock and unlock.
//!
//! QEMU has `bql_lock` as a macro around `bql_lock_impl`; one line of C gives it a symbol.
//!
//! # What is checked
//!
//! That a thread which holds the lock does not take it again, which would hang or, with a
//! recursive mutex, give a second proof of one lock; and that a thread gives back only what
//! it holds. Each ends the process with a sentence.
//!
//! # A thread that C locked
//!
//! enters Rust through the unsafe `Guard::lend` of `biglock`, after [`is_locked`] said yes.
//!
//! # Waiting for a condition
//!
//! needs no hook in C: the condition has a small mutex of its own, taken before the big lock
//! is released and by whoever notifies, so that no notification is lost (what C++ calls
//! `condition_variable_any`).

use std::cell::Cell;
use std::io::Write;
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread_local;
use std::time::Duration;

use biglock::{AttachError, Backend, Foreign, FromTokens, Wait};

// SAFETY: the declarations are those of QEMU's include/qemu/main-loop.h. `bql_locked` can be
// called at any time: duty 2.
unsafe extern "C" {
    fn bql_lock();
    fn bql_unlock();
    safe fn bql_locked() -> bool;
}

/// Whether the calling thread holds the lock, whoever took it.
pub fn is_locked() -> bool {
    bql_locked()
}

/// The C program's lock. There is one, whatever value names it.
#[derive(Debug)]
pub struct CLock {
    _one: (),
}

impl CLock {
    pub(crate) const fn new() -> Self {
        CLock { _one: () }
    }
}

/// The lock, held by the thread that this is on.
///
/// # Invariants
///
/// It is made on a thread that holds the lock, and stays there. Of several only the last is used
/// or dropped; the others are in tokens that called out.
#[derive(Debug)]
pub struct Held {
    _thread: PhantomData<*mut ()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if !bql_locked() {
            die("it was released in C while Rust had it");
        }
        // SAFETY: this thread holds the lock, as was just asked, and by the invariant nobody
        // uses another value that stands for it.
        unsafe { bql_unlock() }
    }
}

fn take() -> Held {
    if bql_locked() {
        die("this thread holds it already and takes it again");
    }
    // SAFETY: this thread does not hold the lock, so the call waits for another thread at
    // most.
    unsafe { bql_lock() };
    // INVARIANT: locked on the line above.
    Held { _thread: PhantomData }
}

thread_local! {
    static ATTACHED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: 1 and 2 are duty 1 of the C program, whose one lock is meant by every value of this
// type; `Held` cannot leave its thread. 3: nothing here unwinds, by duty 3 and since `die`
// ends the process. 4: `ATTACHED`.
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
        // Without the flag the thread is ending, and cannot attach again either.
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

/// A condition variable for a lock that knows none.
#[derive(Debug, Default)]
pub struct CCondvar {
    /// How many notifications there were. Never held over anything but the release of the
    /// big lock.
    notified: Mutex<u64>,
    changed: Condvar,
}

impl CCondvar {
    fn notified(&self) -> MutexGuard<'_, u64> {
        self.notified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, wake: impl FnOnce(&Condvar)) {
        let mut notified = self.notified();
        *notified = notified.wrapping_add(1);
        wake(&self.changed);
    }
}

// SAFETY: both waits return what `lock` returned on this thread just before.
unsafe impl Wait for CLock {
    type Condvar = CCondvar;

    fn wait(&'static self, condvar: &CCondvar, held: Held) -> Held {
        let notified = condvar.notified();
        let before = *notified;
        drop(held);
        let waited = condvar.changed.wait_while(notified, |notified| *notified == before);
        // The small mutex is released before the big one is taken: who notifies may hold that.
        drop(waited);
        take()
    }

    fn wait_timeout(
        &'static self,
        condvar: &CCondvar,
        held: Held,
        limit: Duration,
    ) -> (Held, bool) {
        let notified = condvar.notified();
        let before = *notified;
        drop(held);
        let (notified, result) = condvar
            .changed
            .wait_timeout_while(notified, limit, |notified| *notified == before)
            .unwrap_or_else(PoisonError::into_inner);
        drop(notified);
        (take(), result.timed_out())
    }

    fn notify_one(condvar: &CCondvar) {
        condvar.notify(Condvar::notify_one);
    }

    fn notify_all(condvar: &CCondvar) {
        condvar.notify(Condvar::notify_all);
    }
}

/// Ends the process: who holds the lock is not known any more.
fn die(what: &str) -> ! {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "lastref: the big lock: {what}");
    std::process::abort()
}
