//! The tokens over loom's mutex: every interleaving of a few threads, within loom's limits
//! (docs/alternatives.md, "What the models leave out").
//!
//! A program of its own: it is built with `--cfg loom`.
//!
//! Each model runs over the right backend, where it must hold, and over a twin of the
//! backend with one mistake, where it must break: a model that cannot fail shows nothing.
//! The values are loom cells inside [`Guarded`], so loom checks each access that the tokens
//! let through.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p lastref-biglock --test loom -- --nocapture`
#![cfg(loom)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use alternatives::model::{LoomMutex, breaks, breaks_for_good, holds};
use biglock::{AttachError, Backend, Condvar, FromTokens, Guard, Guarded, Lock, Unlocked, Wait};
use loom::cell::UnsafeCell;
use loom::thread;

/// A value in which loom sees every access.
type Watched<L> = Guarded<UnsafeCell<u32>, L>;

fn watched<L: Lock>() -> Arc<Watched<L>> {
    Arc::new(Guarded::new(UnsafeCell::new(0)))
}

fn read<L: Lock>(value: &Watched<L>, guard: &Guard<'_, L>) -> u32 {
    // SAFETY: the pointer is valid for the call. That nobody writes meanwhile is what loom
    // looks at.
    value.borrow(guard).with(|value| unsafe { *value })
}

fn add<L: Lock>(value: &Watched<L>, guard: &mut Guard<'_, L>) {
    // SAFETY: the pointer is valid for the call. That nobody else uses it meanwhile is what
    // loom looks at.
    value.borrow_mut(guard).with_mut(|value| unsafe { *value += 1 });
}

fn attach<L: Lock>() -> Unlocked<L> {
    Unlocked::attach().expect("each thread of a model attaches once")
}

/// loom's mutex, with one mistake or none.
struct Twin<M>(PhantomData<fn(M) -> M>);

/// What a twin does otherwise than [`LoomMutex`].
trait Mistake: Sized + 'static {
    /// Whether the `nth` lock of a thread, counted from 0, takes the mutex.
    fn locks(_nth: u32) -> bool {
        true
    }

    /// Whether dropping `Held` releases the mutex.
    const RELEASES: bool = true;

    /// Whether a thread may have a second token.
    const ATTACHES_TWICE: bool = false;

    /// Waits for a notification.
    fn wait(condvar: &loom::sync::Condvar, mut held: Held<Self>) -> Held<Self> {
        held.mutex = held.mutex.take().map(|mutex| LoomMutex.wait(condvar, mutex));
        held
    }

    /// Wakes every waiting thread.
    fn notify_all(condvar: &loom::sync::Condvar) {
        condvar.notify_all();
    }
}

/// The marker of the lock with mistake `M`.
struct With<M>(PhantomData<fn(M) -> M>);

impl<M: Mistake> Lock for With<M> {
    type Backend = Twin<M>;
    const LOCK: &'static Twin<M> = &Twin(PhantomData);
}

/// The mutex held, or said to be.
struct Held<M: Mistake> {
    mutex: Option<<LoomMutex as Backend>::Held>,
    from: FromTokens,
    _mistake: PhantomData<M>,
}

impl<M: Mistake> Drop for Held<M> {
    fn drop(&mut self) {
        if !M::RELEASES {
            mem::forget(self.mutex.take());
        }
    }
}

loom::thread_local! {
    static LOCKS: Cell<u32> = Cell::new(0);
}

// SAFETY: without a mistake it is what `LoomMutex` is. With one it is not kept, and the
// models end where loom sees that.
unsafe impl<M: Mistake> Backend for Twin<M> {
    type Held = Held<M>;

    fn lock(&'static self, from: FromTokens) -> Held<M> {
        let nth = LOCKS.with(|locks| locks.replace(locks.get() + 1));
        let mutex = M::locks(nth).then(|| LoomMutex.lock(from));
        Held { mutex, from, _mistake: PhantomData }
    }

    fn attach(&'static self, from: FromTokens) -> Result<(), AttachError> {
        if M::ATTACHES_TWICE {
            return Ok(());
        }
        LoomMutex.attach(from)
    }

    fn detach(&'static self, from: FromTokens) {
        LoomMutex.detach(from);
    }
}

// SAFETY: as for `Backend`.
unsafe impl<M: Mistake> Wait for Twin<M> {
    type Condvar = loom::sync::Condvar;

    fn wait(&'static self, condvar: &loom::sync::Condvar, held: Held<M>) -> Held<M> {
        M::wait(condvar, held)
    }

    // loom has no clock: the limit never runs out.
    fn wait_timeout(
        &'static self,
        condvar: &loom::sync::Condvar,
        held: Held<M>,
        _limit: Duration,
    ) -> (Held<M>, bool) {
        (M::wait(condvar, held), false)
    }

    fn notify_one(condvar: &loom::sync::Condvar) {
        condvar.notify_one();
    }

    fn notify_all(condvar: &loom::sync::Condvar) {
        M::notify_all(condvar);
    }
}

/// The right backend.
struct NoMistake;

impl Mistake for NoMistake {}

/// The lock is not taken.
struct NeverLocks;

impl Mistake for NeverLocks {
    fn locks(_nth: u32) -> bool {
        false
    }
}

/// The lock is taken by a thread's first `lock`, and not when it is taken again.
struct LocksOnce;

impl Mistake for LocksOnce {
    fn locks(nth: u32) -> bool {
        nth == 0
    }
}

/// The lock is not released.
struct NeverReleases;

impl Mistake for NeverReleases {
    const RELEASES: bool = false;
}

/// A thread can have two tokens.
struct AttachesTwice;

impl Mistake for AttachesTwice {
    const ATTACHES_TWICE: bool = true;
}

/// A wait comes back without the lock.
struct WaitsAndForgets;

impl Mistake for WaitsAndForgets {
    fn wait(condvar: &loom::sync::Condvar, held: Held<Self>) -> Held<Self> {
        let mut held = NoMistake::wait(condvar, held.by());
        held.mutex = None;
        held.by()
    }
}

/// A wait releases the lock before it listens for notifications.
struct ListensLate;

impl Mistake for ListensLate {
    fn wait(condvar: &loom::sync::Condvar, mut held: Held<Self>) -> Held<Self> {
        held.mutex = None;
        held.mutex = Some(LoomMutex.lock(held.from));
        NoMistake::wait(condvar, held.by()).by()
    }
}

/// Of many that wait one is woken.
struct WakesOne;

impl Mistake for WakesOne {
    fn notify_all(condvar: &loom::sync::Condvar) {
        condvar.notify_one();
    }
}

/// A wait ends in unwinding, as the duties of a backend allow.
struct WaitUnwinds;

impl Mistake for WaitUnwinds {
    fn wait(_condvar: &loom::sync::Condvar, held: Held<Self>) -> Held<Self> {
        drop(held);
        unwind()
    }
}

/// The same, and the lock is not taken again.
struct WaitUnwindsLocksOnce;

impl Mistake for WaitUnwindsLocksOnce {
    fn locks(nth: u32) -> bool {
        LocksOnce::locks(nth)
    }

    fn wait(_condvar: &loom::sync::Condvar, held: Held<Self>) -> Held<Self> {
        drop(held);
        unwind()
    }
}

impl<M: Mistake> Held<M> {
    /// The same mutex in the hand of another twin.
    fn by<N: Mistake>(mut self) -> Held<N> {
        Held { mutex: self.mutex.take(), from: self.from, _mistake: PhantomData }
    }
}

/// Unwinds without the words of a panic.
fn unwind() -> ! {
    resume_unwind(Box::new("on purpose"))
}

/// What loom says of two accesses without an order.
const RACE: &str = "Causality violation";
/// What loom says when nobody can go on.
const DEADLOCK: &str = "deadlock";

/// Another thread adds to the value once.
fn another_adds<M: Mistake>(value: &Arc<Watched<With<M>>>) -> thread::JoinHandle<()> {
    let value = Arc::clone(value);
    thread::spawn(move || add(&value, &mut attach().lock()))
}

fn threads_lock<M: Mistake>() {
    let value = watched::<With<M>>();
    let others = [another_adds(&value), another_adds(&value)];
    let mut thread = attach();
    add(&value, &mut thread.lock());
    for other in others {
        other.join().expect("it ends");
    }
    assert_eq!(read(&value, &thread.lock()), 3);
}

#[test]
fn lock_lets_one_thread_in() {
    holds("lock", None, threads_lock::<NoMistake>);
    breaks("lock, not taken", RACE, threads_lock::<NeverLocks>);
    breaks("lock, not released", DEADLOCK, threads_lock::<NeverReleases>);
}

fn a_second_token_is_refused<M: Mistake>() {
    let mut first = attach::<With<M>>();
    let _held = first.lock();
    if let Ok(mut second) = Unlocked::<With<M>>::attach() {
        let _held_twice = second.lock();
    }
}

#[test]
fn a_thread_cannot_wait_for_itself() {
    holds("second token", None, a_second_token_is_refused::<NoMistake>);
    breaks("second token, given", DEADLOCK, a_second_token_is_refused::<AttachesTwice>);
}

fn changes_around_unlocked<M: Mistake>() {
    let value = watched::<With<M>>();
    let other = another_adds(&value);
    let mut thread = attach();
    let mut guard = thread.lock();
    add(&value, &mut guard);
    guard.unlocked(|_| thread::yield_now());
    add(&value, &mut guard);
    drop(guard);
    other.join().expect("it ends");
    assert_eq!(read(&value, &thread.lock()), 3);
}

#[test]
fn unlocked_takes_the_lock_again() {
    holds("unlocked", None, changes_around_unlocked::<NoMistake>);
    breaks("unlocked, not locked again", RACE, changes_around_unlocked::<LocksOnce>);
}

fn joins_in_unlocked<M: Mistake>() {
    let value = watched::<With<M>>();
    let other = another_adds(&value);
    let mut thread = attach();
    let mut guard = thread.lock();
    guard.unlocked(|_| other.join().expect("it ends"));
    assert_eq!(read(&value, &guard), 1);
}

#[test]
fn unlocked_lets_others_in() {
    holds("join in unlocked", None, joins_in_unlocked::<NoMistake>);
    breaks("join in unlocked, not released", DEADLOCK, joins_in_unlocked::<NeverReleases>);
}

fn locks_in_unlocked<M: Mistake>() {
    let value = watched::<With<M>>();
    let other = another_adds(&value);
    let mut thread = attach();
    let mut guard = thread.lock();
    guard.unlocked(|thread| {
        let mut inner = thread.lock();
        add(&value, &mut inner);
        mem::forget(inner);
    });
    add(&value, &mut guard);
    drop(guard);
    other.join().expect("it ends");
    assert_eq!(read(&value, &thread.lock()), 3);
}

#[test]
fn a_guard_leaked_in_unlocked_is_gone_on_with() {
    holds("leak in unlocked", None, locks_in_unlocked::<NoMistake>);
    breaks("leak in unlocked, not locked", RACE, locks_in_unlocked::<LocksOnce>);
}

fn leaks_a_guard<M: Mistake>() {
    let value = watched::<With<M>>();
    let other = another_adds(&value);
    {
        let mut thread = attach();
        mem::forget(thread.lock());
        add(&value, &mut thread.lock());
        mem::forget(thread.lock());
    }
    other.join().expect("it ends");
    assert_eq!(read(&value, &attach().lock()), 2);
}

#[test]
fn a_leaked_guard_is_adopted_and_ends_with_the_token() {
    holds("leak", None, leaks_a_guard::<NoMistake>);
    breaks("leak, not released", DEADLOCK, leaks_a_guard::<NeverReleases>);
}

fn waits_for_a_change<M: Mistake>() {
    let value = watched::<With<M>>();
    let changed = Arc::new(Condvar::<With<M>>::new());
    let other = {
        let (value, changed) = (Arc::clone(&value), Arc::clone(&changed));
        thread::spawn(move || {
            let mut thread = attach();
            let mut guard = thread.lock();
            add(&value, &mut guard);
            changed.notify_one();
            add(&value, &mut guard);
            drop(guard);
            add(&value, &mut thread.lock());
        })
    };
    let mut thread = attach();
    let mut guard = thread.lock();
    changed.wait_while(&mut guard, |guard| read(&value, guard) == 0);
    assert!(read(&value, &guard) >= 2, "the first two changes were made under one lock");
    add(&value, &mut guard);
    drop(guard);
    other.join().expect("it ends");
    assert_eq!(read(&value, &thread.lock()), 4);
}

#[test]
fn a_wait_ends_with_the_lock_and_misses_nothing() {
    holds("wait", None, waits_for_a_change::<NoMistake>);
    breaks("wait, back without the lock", RACE, waits_for_a_change::<WaitsAndForgets>);
    breaks_for_good("wait, listening late", DEADLOCK, waits_for_a_change::<ListensLate>);
}

fn two_wait<M: Mistake>() {
    let value = watched::<With<M>>();
    let changed = Arc::new(Condvar::<With<M>>::new());
    let others = [(); 2].map(|()| {
        let (value, changed) = (Arc::clone(&value), Arc::clone(&changed));
        thread::spawn(move || {
            let mut thread = attach();
            changed.wait_while(&mut thread.lock(), |guard| read(&value, guard) == 0);
        })
    });
    add(&value, &mut attach().lock());
    changed.notify_all();
    for other in others {
        other.join().expect("it ends");
    }
}

/// The condition variable for any lock, with loom's parts.
#[expect(unreachable_pub, dead_code, reason = "it is a part of the library")]
#[path = "../src/signals.rs"]
mod signals;

/// What it is made of.
mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

/// A thread waits for a change under a lock. The wait releases the lock, or, by mistake, the thread
/// does so before.
fn signals_a_change(the_wait_releases: bool) {
    let (lock, signals) = (sync::Mutex::new(false), signals::Signals::default());
    let shared = Arc::new((lock, signals));
    let other = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            *shared.0.lock().expect("the lock") = true;
            shared.1.notify_one();
        })
    };
    let (lock, signals) = &*shared;
    let mut changed = lock.lock().expect("the lock");
    while !*changed {
        if the_wait_releases {
            changed = signals.wait(changed, || lock.lock().expect("the lock"));
        } else {
            drop(changed);
            signals.wait((), || ());
            changed = lock.lock().expect("the lock");
        }
    }
    drop(changed);
    other.join().expect("it ends");
}

/// Two threads wait, and each is sent a notification of its own while the lock is held.
fn signals_two(notify: fn(&signals::Signals)) {
    let shared = Arc::new((sync::Mutex::new(0), signals::Signals::default()));
    let others = [(); 2].map(|()| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            let (lock, signals) = &*shared;
            let mut left = lock.lock().expect("the lock");
            while *left == 0 {
                left = signals.wait(left, || lock.lock().expect("the lock"));
            }
            *left -= 1;
        })
    });
    for _ in 0..2 {
        *shared.0.lock().expect("the lock") += 1;
        notify(&shared.1);
    }
    for other in others {
        other.join().expect("it ends");
    }
}

#[test]
fn a_condition_of_any_lock_misses_no_notification() {
    holds("signal", None, || signals_a_change(true));
    breaks("signal, released before", DEADLOCK, || signals_a_change(false));
    holds("two signals", Some(3), || signals_two(signals::Signals::notify_one));
    holds("two signals for all", Some(3), || signals_two(signals::Signals::notify_all));
}

#[test]
fn notify_all_wakes_all() {
    holds("notify_all", None, two_wait::<NoMistake>);
    breaks("notify_all, of one", DEADLOCK, two_wait::<WakesOne>);
}

/// Changes the value on both sides of something that releases the lock and unwinds.
fn changes_around<M: Mistake>(unwinds: impl FnOnce(&mut Guard<'_, With<M>>)) {
    let value = watched::<With<M>>();
    let other = another_adds(&value);
    let mut thread = attach();
    let mut guard = thread.lock();
    add(&value, &mut guard);
    let caught = catch_unwind(AssertUnwindSafe(|| unwinds(&mut guard)));
    assert!(caught.is_err(), "it unwinds");
    add(&value, &mut guard);
    drop(guard);
    other.join().expect("it ends");
    assert_eq!(read(&value, &thread.lock()), 3);
}

fn unwinds_out_of_unlocked<M: Mistake>() {
    changes_around::<M>(|guard| guard.unlocked(|_| unwind()));
}

fn unwinds_out_of_a_wait<M: Mistake>() {
    changes_around::<M>(|guard| Condvar::new().wait(guard));
}

#[test]
fn unwinding_takes_the_lock_again() {
    holds("unwinding unlocked", None, unwinds_out_of_unlocked::<NoMistake>);
    breaks("unwinding unlocked, not locked again", RACE, unwinds_out_of_unlocked::<LocksOnce>);
    holds("unwinding wait", None, unwinds_out_of_a_wait::<WaitUnwinds>);
    breaks("unwinding wait, not locked again", RACE, unwinds_out_of_a_wait::<WaitUnwindsLocksOnce>);
}

/// A trace adds nothing that threads could see of each other: the same mistakes break.
#[cfg(feature = "trace")]
mod traced {
    use std::sync::atomic::{AtomicBool, Ordering};

    use biglock::trace::{Observe, Traced};

    use super::*;

    /// Whether an observer was told of a hold within another.
    struct Alternate {
        held: AtomicBool,
        within: AtomicBool,
    }

    impl Alternate {
        const fn new() -> Self {
            Alternate { held: AtomicBool::new(false), within: AtomicBool::new(false) }
        }
    }

    impl Observe for Alternate {
        fn taken(&self, _: Option<Duration>) {
            self.within.fetch_or(self.held.swap(true, Ordering::Relaxed), Ordering::Relaxed);
        }

        fn releases(&self, _: Duration) {
            self.within.fetch_or(!self.held.swap(false, Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    macro_rules! traced {
        ($name:ident, $mistake:ty, $observer:ident) => {
            static $observer: Alternate = Alternate::new();
            enum $name {}
            impl Lock for $name {
                type Backend = Traced<Twin<$mistake>>;
                const LOCK: &'static Self::Backend = {
                    static LOCK: Traced<Twin<$mistake>> =
                        Traced::observed(Twin(PhantomData), &$observer);
                    &LOCK
                };
            }
        };
    }

    traced!(Right, NoMistake, RIGHT);
    traced!(Wrong, NeverLocks, WRONG);

    fn threads_lock<L: Lock>() {
        let value = watched::<L>();
        let other = {
            let value = Arc::clone(&value);
            thread::spawn(move || add(&value, &mut attach().lock()))
        };
        let mut thread = attach();
        let mut guard = thread.lock();
        add(&value, &mut guard);
        guard.unlocked(|_| other.join().expect("it ends"));
        assert_eq!(read(&value, &guard), 2);
    }

    #[test]
    fn a_traced_lock_lets_one_thread_in_and_says_so() {
        holds("traced lock", None, threads_lock::<Right>);
        assert!(!RIGHT.within.load(Ordering::Relaxed), "taken and released in turn");
        breaks("traced lock, not taken", RACE, threads_lock::<Wrong>);
    }
}
