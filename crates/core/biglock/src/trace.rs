//! Who holds the lock, who held it, and what an observer is told: [`Traced`], a backend around
//! another (feature `trace`).
//!
//! ```
//! use biglock::trace::Traced;
//! use biglock::{Lock, StdMutex, Unlocked};
//!
//! static MUTEX: Traced<StdMutex> = Traced::new(StdMutex::new());
//! enum Big {}
//! impl Lock for Big {
//!     type Backend = Traced<StdMutex>;
//!     const LOCK: &'static Traced<StdMutex> = &MUTEX;
//! }
//!
//! let mut thread = Unlocked::<Big>::attach()?;
//! MUTEX.start();
//! let guard = thread.lock();
//! // From any thread, without the lock:
//! let holder = MUTEX.holder().expect("this thread holds it");
//! assert_eq!(holder.id, Some(std::thread::current().id()));
//! drop(guard);
//! assert!(MUTEX.holder().is_none());
//! let [hold] = &MUTEX.stop()[..] else { panic!("one hold") };
//! assert!(hold.asked <= hold.taken && hold.taken <= hold.released);
//! # Ok::<(), biglock::AttachError>(())
//! ```
//!
//! # What it costs
//!
//! Without an observer and until it is started: a relaxed load before the lock is taken and one
//! after. From then on two readings of the clock for each hold, an uncontended small mutex, and
//! what the observer does.
//!
//! # Caveats
//!
//! It sees what goes through tokens. A lock that C takes and releases by itself ([`Foreign`]) is
//! not seen. If a lent guard took the lock itself, because it had released it, that hold ends where
//! the guard does, though C goes on with the lock. If the guard was lent on top of a token, the
//! hold of the token covers it: its releases are not seen, and an observer is told of a second
//! [`taken`](Observe::taken).
//!
//! The standard library names a thread by a function that panics where thread-local storage is gone.
//! If a thread takes the lock so late in its exit, the panic hook reports that, and the panic is
//! caught: with `panic = "abort"` it ends the process.
//!
//! # Alternatives
//!
//! `tracing-mutex` finds cycles in the order of many mutexes, and wraps each. An [`Observe`] tells
//! such a tool about the big lock; `examples/lock_order.rs` has a small one.

use core::fmt;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU8, Ordering};
use core::time::Duration;
use std::borrow::ToOwned;
use std::panic::catch_unwind;
use std::string::String;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread, ThreadId};
use std::time::Instant;
use std::vec::Vec;

use crate::{AttachError, Backend, Fair, Foreign, FromTokens, Timed, TryLock, Wait};

/// One period during which a thread held the lock.
///
/// ```
/// # use biglock::trace::{Hold, Traced};
/// # use biglock::{Lock, StdMutex, Unlocked};
/// # static MUTEX: Traced<StdMutex> = Traced::new(StdMutex::new());
/// # enum Big {}
/// # impl Lock for Big {
/// #     type Backend = Traced<StdMutex>;
/// #     const LOCK: &'static Traced<StdMutex> = &MUTEX;
/// # }
/// let mut thread = Unlocked::<Big>::attach()?;
/// MUTEX.start();
/// drop(thread.lock());
/// let longest = MUTEX.stop().into_iter().max_by_key(|hold| hold.released - hold.taken);
/// let Hold { thread, asked, taken, released, .. } = longest.expect("there was one");
/// println!("{thread} waited {:?} and held it {:?}", taken - asked, released - taken);
/// # Ok::<(), biglock::AttachError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
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

/// The thread that holds the lock, from [`Traced::holder`].
///
/// ```
/// # use biglock::trace::{Holder, Traced};
/// # use biglock::StdMutex;
/// # static MUTEX: Traced<StdMutex> = Traced::new(StdMutex::new());
/// fn report(holder: Option<Holder>) -> String {
///     match holder {
///         None => "nobody".into(),
///         Some(holder) => format!("{}, for {:?}", holder.thread, holder.since.elapsed()),
///     }
/// }
/// assert_eq!(report(MUTEX.holder()), "nobody");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Holder {
    /// Name of the thread; empty if it has none.
    pub thread: String,
    /// Which thread it is. `None` if it took the lock too late in its exit to know.
    pub id: Option<ThreadId>,
    /// When it took the lock.
    pub since: Instant,
}

/// An observer of a [`Traced`] lock.
///
/// Each function is called on the thread that it tells about, which is attached meanwhile: an
/// observer gets no token, and [`attach`](crate::Unlocked::attach) refuses it one. It must not wait
/// for another thread that takes the lock.
///
/// A panic goes no further than the call. The panic hook has reported it, and the observer is not
/// called again.
///
/// ```
/// use biglock::trace::{Observe, Traced};
/// use biglock::{Lock, StdMutex, Unlocked};
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
///
/// /// The longest time that a thread held the lock, in nanoseconds.
/// struct Longest(AtomicU64);
/// impl Observe for Longest {
///     fn releases(&self, held: Duration) {
///         let held = u64::try_from(held.as_nanos()).unwrap_or(u64::MAX);
///         self.0.fetch_max(held, Ordering::Relaxed);
///     }
/// }
///
/// static LONGEST: Longest = Longest(AtomicU64::new(0));
/// static MUTEX: Traced<StdMutex> = Traced::observed(StdMutex::new(), &LONGEST);
/// enum Big {}
/// impl Lock for Big {
///     type Backend = Traced<StdMutex>;
///     const LOCK: &'static Traced<StdMutex> = &MUTEX;
/// }
///
/// let mut thread = Unlocked::<Big>::attach()?;
/// drop(thread.lock());
/// assert!(LONGEST.0.load(Ordering::Relaxed) > 0);
/// # Ok::<(), biglock::AttachError>(())
/// ```
pub trait Observe: Sync {
    /// The thread is about to wait for the lock, or to release it in a wait that takes it again. If
    /// it waits for a limited time, it may not get the lock.
    fn asks(&self) {}

    /// The thread has taken the lock, after it `waited` for so long. After a wait for a condition
    /// there is no such time, nor after a `try_lock`, which does not wait and so does not ask.
    fn taken(&self, waited: Option<Duration>) {
        let _ = waited;
    }

    /// The thread is about to release the lock, which it `held` for so long, or to leave it to C at
    /// the end of a [lent](crate::Guard::lend) guard. It still holds it, so the calls of
    /// [`taken`](Observe::taken) and of this one alternate, but for a guard that is lent on top of a
    /// token.
    fn releases(&self, held: Duration) {
        let _ = held;
    }
}

/// Sees nothing. With this observer [`Traced::holder`] answers from the beginning.
impl Observe for () {}

/// The lock `B`, and what is known about its holds. For examples, see the [module](self) and
/// [`Observe`].
pub struct Traced<B> {
    lock: B,
    trace: Trace,
}

/// Set while the record is kept.
const RECORD: u8 = 1;
/// Set from the beginning if there is an observer.
const WATCH: u8 = 2;
/// Set with `WATCH`, until the observer panics.
const OBSERVE: u8 = 4;

struct Trace {
    /// What is asked for; of `RECORD`, `WATCH` and `OBSERVE`.
    on: AtomicU8,
    observer: Option<&'static dyn Observe>,
    /// The thread and the time of the hold that lasts. Written by the thread that holds the lock.
    holder: Mutex<Option<(Option<Thread>, Instant)>>,
    record: Mutex<Recorded>,
}

struct Recorded {
    /// When it began, while it is kept: what was taken before is not in it.
    since: Option<Instant>,
    holds: Vec<Hold>,
}

/// The held lock. Fields are dropped in this order, so the end of a hold is noted before the lock
/// is released.
pub struct Held<B: Backend> {
    note: Option<Note>,
    lock: B::Held,
}

/// A hold that lasts. Dropping it notes the end.
struct Note {
    trace: &'static Trace,
    thread: Option<Thread>,
    asked: Instant,
    taken: Instant,
}

impl<B> Traced<B> {
    /// Puts a trace around `lock`. It keeps none until it is [started](Traced::start).
    pub const fn new(lock: B) -> Self {
        Traced { lock, trace: Trace::new(None) }
    }

    /// Puts a trace around `lock`, with an observer that is told of each hold.
    pub const fn observed(lock: B, observer: &'static dyn Observe) -> Self {
        Traced { lock, trace: Trace::new(Some(observer)) }
    }

    /// Begins a record of holds, with the next time that the lock is taken. Each hold adds to it,
    /// until it is [stopped](Traced::stop).
    pub fn start(&self) {
        let mut record = self.trace.record();
        *record = Recorded { since: Some(Instant::now()), holds: Vec::new() };
        self.trace.on.fetch_or(RECORD, Ordering::Relaxed);
    }

    /// Ends the record and returns the holds, in the order of the releases. They do not include the
    /// current hold, if a thread holds the lock now.
    pub fn stop(&self) -> Vec<Hold> {
        let mut record = self.trace.record();
        self.trace.on.fetch_and(!RECORD, Ordering::Relaxed);
        record.since = None;
        core::mem::take(&mut record.holds)
    }

    /// Returns the thread that holds the lock, if one took it since the trace was started. Any
    /// thread may ask, with the lock or without; the answer may be old at once.
    ///
    /// With an observer, even one that does nothing (`&()`), the trace is started from the
    /// beginning.
    pub fn holder(&self) -> Option<Holder> {
        if self.trace.on.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let (thread, since) = self.trace.holder().clone()?;
        let id = thread.as_ref().map(Thread::id);
        Some(Holder { thread: name(thread.as_ref()), id, since })
    }
}

impl<B: Backend> Traced<B> {
    /// Makes the value of a thread that has just taken the lock.
    #[inline]
    fn held(&'static self, lock: B::Held, asked: Option<Instant>) -> Held<B> {
        Held { note: self.trace.taken(asked), lock }
    }
}

impl Trace {
    const fn new(observer: Option<&'static dyn Observe>) -> Self {
        let on = if observer.is_some() { WATCH | OBSERVE } else { 0 };
        Trace {
            on: AtomicU8::new(on),
            observer,
            holder: Mutex::new(None),
            record: Mutex::new(Recorded { since: None, holds: Vec::new() }),
        }
    }

    fn holder(&self) -> MutexGuard<'_, Option<(Option<Thread>, Instant)>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> MutexGuard<'_, Recorded> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the observer, if there is one that has not panicked. No small mutex is held here: the
    /// observer may ask for the holder.
    fn observe(&self, call: impl FnOnce(&dyn Observe)) {
        let Some(observer) = self.observer else { return };
        if self.on.load(Ordering::Relaxed) & OBSERVE == 0 {
            return;
        }
        // Neither the lock nor the release may unwind (duty 3 of `Backend`).
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| call(observer))) {
            self.on.fetch_and(!OBSERVE, Ordering::Relaxed);
            // Its destructor may panic too.
            core::mem::forget(payload);
        }
    }

    /// Notes that the calling thread asks for the lock, and returns the time.
    #[inline]
    fn asks(&self) -> Option<Instant> {
        if self.on.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.observe(|observer| observer.asks());
        Some(Instant::now())
    }

    /// Notes that the calling thread has the lock.
    #[inline]
    fn taken(&'static self, asked: Option<Instant>) -> Option<Note> {
        if self.on.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let taken = Instant::now();
        // It panics where thread-local storage is gone, in the last steps of a thread.
        let thread = catch_unwind(thread::current).ok();
        *self.holder() = Some((thread.clone(), taken));
        self.observe(|observer| observer.taken(asked.map(|asked| taken - asked)));
        Some(Note { trace: self, thread, asked: asked.unwrap_or(taken), taken })
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let Note { trace, ref thread, asked, taken } = *self;
        let released = Instant::now();
        trace.observe(|observer| observer.releases(released - taken));
        *trace.holder() = None;
        if trace.on.load(Ordering::Relaxed) & RECORD == 0 {
            return;
        }
        let hold = Hold { thread: name(thread.as_ref()), asked, taken, released };
        let mut record = trace.record();
        if record.since.is_some_and(|since| since <= taken) {
            record.holds.push(hold);
        }
    }
}

fn name(thread: Option<&Thread>) -> String {
    thread.and_then(Thread::name).unwrap_or("").to_owned()
}

// SAFETY: 1, 2 and 4 are those of `lock`, to which every call goes. 3: what is added are small
// mutexes that no thread takes twice, allocations and readings of the clock, which do not unwind,
// and the observer, whose panics are caught. 5: the `FromTokens` is passed on in its call.
unsafe impl<B: Backend> Backend for Traced<B> {
    type Held = Held<B>;

    #[inline]
    fn lock(&'static self, from: FromTokens) -> Held<B> {
        let asked = self.trace.asks();
        self.held(self.lock.lock(from), asked)
    }

    fn attach(&'static self, from: FromTokens) -> Result<(), AttachError> {
        self.lock.attach(from)
    }

    fn detach(&'static self, from: FromTokens) {
        self.lock.detach(from);
    }
}

// SAFETY: the value has one of `lock` in it.
unsafe impl<B: TryLock> TryLock for Traced<B> {
    #[inline]
    fn try_lock(&'static self, from: FromTokens) -> Option<Held<B>> {
        let lock = self.lock.try_lock(from)?;
        Some(self.held(lock, None))
    }
}

// SAFETY: the value has one of `lock` in it.
unsafe impl<B: Timed> Timed for Traced<B> {
    fn lock_timeout(&'static self, limit: Duration, from: FromTokens) -> Option<Held<B>> {
        let asked = self.trace.asks();
        let lock = self.lock.lock_timeout(limit, from)?;
        Some(self.held(lock, asked))
    }
}

// SAFETY: the release is that of `lock`.
unsafe impl<B: Fair> Fair for Traced<B> {
    fn unlock_fair(&'static self, Held { note, lock }: Held<B>) {
        drop(note);
        self.lock.unlock_fair(lock);
    }
}

// SAFETY: both waits are those of `lock`.
unsafe impl<B: Wait> Wait for Traced<B> {
    type Condvar = B::Condvar;

    fn wait(&'static self, condvar: &B::Condvar, Held { note, lock }: Held<B>) -> Held<B> {
        drop(note);
        self.trace.asks();
        self.held(self.lock.wait(condvar, lock), None)
    }

    fn wait_timeout(
        &'static self,
        condvar: &B::Condvar,
        Held { note, lock }: Held<B>,
        limit: Duration,
    ) -> (Held<B>, bool) {
        drop(note);
        self.trace.asks();
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

// SAFETY: a value without a note is as good as the one of `lock` in it, and is left as that one is.
unsafe impl<B: Foreign> Foreign for Traced<B> {
    unsafe fn assume_held(&'static self) -> Held<B> {
        // SAFETY: the caller's promise, word for word.
        Held { note: None, lock: unsafe { self.lock.assume_held() } }
    }

    fn leave_held(&'static self, Held { note, lock }: Held<B>) {
        drop(note);
        self.lock.leave_held(lock);
    }
}

impl<B> fmt::Debug for Traced<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced").finish_non_exhaustive()
    }
}

impl<B: Backend> fmt::Debug for Held<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}
