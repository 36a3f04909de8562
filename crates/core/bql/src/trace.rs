//! Who held the BQL, and from when to when: a backend around the program's own.
//!
//! It is in the program only with the feature `trace`, and notes nothing until [`start`]. What
//! C code takes and releases by itself (feature `c-lock`) is not seen.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use biglock::{AttachError, Backend, Foreign, FromTokens, Wait};

use crate::BQL;

/// One time that a thread held the BQL.
#[derive(Debug, Clone)]
pub struct Hold {
    /// The thread; one without a name has none.
    pub thread: String,
    /// When it began to wait for the lock. After a wait for a condition this is the same as `taken`.
    pub asked: Instant,
    /// When it had the lock.
    pub taken: Instant,
    /// When it gave the lock back.
    pub released: Instant,
}

/// Begins to note who holds the BQL, from the next time that it is taken.
pub fn start() {
    // Whoever held the lock at the last `stop` has noted it since.
    BQL.holds.lock().unwrap_or_else(PoisonError::into_inner).clear();
    BQL.notes.store(true, Ordering::Relaxed);
}

/// Ends it, and hands out what was noted, in the order of the releases. A thread that holds the
/// lock now is not among it.
pub fn stop() -> Vec<Hold> {
    BQL.notes.store(false, Ordering::Relaxed);
    mem::take(&mut *BQL.holds.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The lock `B`, and the record of it.
#[derive(Debug)]
pub struct Traced<B> {
    lock: B,
    notes: AtomicBool,
    /// Written by the thread that holds `lock`, so nobody waits for it.
    holds: Mutex<Vec<Hold>>,
}

/// The lock held. The note is made before the lock is released, as the fields are dropped in this order.
pub struct Held<B: Backend> {
    note: Option<Note>,
    lock: B::Held,
}

/// A hold that is to be noted. Dropping it says that the hold is over.
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

    /// Now, if holds are noted.
    fn now(&self) -> Option<Instant> {
        self.notes.load(Ordering::Relaxed).then(Instant::now)
    }

    /// What a thread has that has just taken the lock, and asked for it at `asked`.
    fn held(&'static self, lock: B::Held, asked: Option<Instant>) -> Held<B> {
        let note = |taken| Note { holds: &self.holds, asked: asked.unwrap_or(taken), taken };
        Held { note: self.now().map(note), lock }
    }
}

// SAFETY: each duty is that of `lock`, to which every call goes. Nothing here unwinds: a mutex
// that nobody holds twice, an allocation and a clock do not.
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
