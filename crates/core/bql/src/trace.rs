//! A backend around the program's own that records which thread held the BQL, and when.
//!
//! It is compiled in only with the feature `trace`, and records nothing until [`start`]. It does
//! not see when C code takes and releases the lock by itself (feature `c-lock`).

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use biglock::{AttachError, Backend, Foreign, FromTokens, Wait};

use crate::BQL;

/// One period during which a thread held the BQL.
#[derive(Debug, Clone)]
pub struct Hold {
    /// Name of the thread; empty if it has none.
    pub thread: String,
    /// When the thread began to wait for the lock. After a wait for a condition this equals
    /// `taken`.
    pub asked: Instant,
    /// When the thread took the lock.
    pub taken: Instant,
    /// When the thread released the lock.
    pub released: Instant,
}

/// Starts recording which thread holds the BQL, from the next time that it is taken.
pub fn start() {
    // A thread that held the lock at the last `stop` may have added its hold since.
    BQL.holds.lock().unwrap_or_else(PoisonError::into_inner).clear();
    BQL.notes.store(true, Ordering::Relaxed);
}

/// Stops recording and returns the holds, in the order of the releases. They do not include the
/// current hold, if a thread holds the lock now.
pub fn stop() -> Vec<Hold> {
    BQL.notes.store(false, Ordering::Relaxed);
    mem::take(&mut *BQL.holds.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The lock `B` and the record of its holds.
#[derive(Debug)]
pub struct Traced<B> {
    lock: B,
    notes: AtomicBool,
    /// Written by the thread that holds `lock`, so no thread waits for it.
    holds: Mutex<Vec<Hold>>,
}

/// The held lock. Fields are dropped in this order, so the hold is recorded before the lock is
/// released.
pub struct Held<B: Backend> {
    note: Option<Note>,
    lock: B::Held,
}

/// A hold that has begun. Dropping it records the hold.
struct Note {
    holds: &'static Mutex<Vec<Hold>>,
    asked: Instant,
    taken: Instant,
}

impl Drop for Note {
    fn drop(&mut self) {
        let hold = Hold {
            thread: thread::current().name().unwrap_or("").to_owned(),
            asked: self.asked,
            taken: self.taken,
            released: Instant::now(),
        };
        self.holds.lock().unwrap_or_else(PoisonError::into_inner).push(hold);
    }
}

impl<B: Backend> Traced<B> {
    pub(crate) const fn new(lock: B) -> Self {
        Traced { lock, notes: AtomicBool::new(false), holds: Mutex::new(Vec::new()) }
    }

    /// Returns the current time if recording is on.
    fn now(&self) -> Option<Instant> {
        self.notes.load(Ordering::Relaxed).then(Instant::now)
    }

    /// Makes the value of a thread that has just taken the lock, and began to wait at `asked`.
    fn held(&'static self, lock: B::Held, asked: Option<Instant>) -> Held<B> {
        let note = |taken| Note { holds: &self.holds, asked: asked.unwrap_or(taken), taken };
        Held { note: self.now().map(note), lock }
    }
}

// SAFETY: each duty is that of `lock`, to which every call goes. Nothing here unwinds: a mutex
// that no thread takes twice, an allocation and a clock do not.
unsafe impl<B: Backend> Backend for Traced<B> {
    type Held = Held<B>;

    #[inline]
    fn lock(&'static self, from: FromTokens) -> Held<B> {
        let asked = self.now();
        self.held(self.lock.lock(from), asked)
    }

    fn attach(&'static self, from: FromTokens) -> Result<(), AttachError> {
        self.lock.attach(from)
    }

    fn detach(&'static self, from: FromTokens) {
        self.lock.detach(from);
    }
}

// SAFETY: both waits are those of `lock`.
unsafe impl<B: Wait> Wait for Traced<B> {
    type Condvar = B::Condvar;

    fn wait(&'static self, condvar: &B::Condvar, Held { note, lock }: Held<B>) -> Held<B> {
        drop(note);
        self.held(self.lock.wait(condvar, lock), None)
    }

    fn wait_timeout(
        &'static self,
        condvar: &B::Condvar,
        Held { note, lock }: Held<B>,
        limit: Duration,
    ) -> (Held<B>, bool) {
        drop(note);
        let (lock, ran_out) = self.lock.wait_timeout(condvar, lock, limit);
        (self.held(lock, None), ran_out)
    }

    fn notify_one(condvar: &B::Condvar) {
        B::notify_one(condvar);
    }

    fn notify_all(condvar: &B::Condvar) {
        B::notify_all(condvar);
    }
}

// SAFETY: a value without a note is as good as the one of `lock` in it.
unsafe impl<B: Foreign> Foreign for Traced<B> {
    unsafe fn assume_held(&'static self) -> Held<B> {
        // SAFETY: the caller's promise, word for word.
        Held { note: None, lock: unsafe { self.lock.assume_held() } }
    }
}
