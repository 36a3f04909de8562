//! Who holds a traced lock is known from outside, and an observer is told, whatever it does.
//!
//! A program of its own: it needs the feature `trace`.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use biglock::trace::{Observe, Traced};
use biglock::{
    AttachError, Backend, Condvar, Foreign, FromTokens, Guard, Guarded, Lock, StdMutex, Unlocked,
};

/// Each test has a lock of its own, so that they may run side by side.
macro_rules! lock {
    ($name:ident, $make:expr) => {
        enum $name {}
        impl Lock for $name {
            type Backend = Traced<StdMutex>;
            const LOCK: &'static Traced<StdMutex> = {
                static MUTEX: Traced<StdMutex> = $make;
                &MUTEX
            };
        }
    };
}

fn attach<L: Lock>() -> Unlocked<L> {
    Unlocked::attach().expect("the only token of this thread")
}

/// What one observer was told, in order.
struct Told(Mutex<Vec<&'static str>>);

impl Told {
    const fn nothing() -> Self {
        Told(Mutex::new(Vec::new()))
    }

    fn note(&self, what: &'static str) {
        self.0.lock().expect("nothing panics with it").push(what);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().expect("nothing panics with it"))
    }
}

impl Observe for Told {
    fn asks(&self) {
        self.note("asks");
    }

    fn taken(&self, waited: Option<Duration>) {
        self.note(if waited.is_some() { "taken" } else { "taken after a wait" });
    }

    fn releases(&self, _held: Duration) {
        self.note("releases");
    }
}

#[test]
fn the_holder_is_named_to_a_thread_without_the_lock() {
    lock!(L, Traced::observed(StdMutex::new(), &()));
    let (tell, told) = mpsc::channel();
    let (leave, left) = mpsc::channel();
    let holder = thread::Builder::new().name("holder".into()).spawn(move || {
        let mut thread = attach::<L>();
        let guard = thread.lock();
        tell.send(thread::current().id()).expect("the test waits");
        left.recv().expect("the test tells");
        drop(guard);
        assert!(L::LOCK.holder().is_none(), "nobody else takes it");
    });
    let holder = holder.expect("a thread");
    assert_eq!(told.recv().ok(), Some(holder.thread().id()));
    let seen = L::LOCK.holder().expect("it holds the lock");
    assert_eq!((&*seen.thread, seen.id), ("holder", Some(holder.thread().id())));
    assert_eq!(L::LOCK.holder().map(|again| again.since), Some(seen.since));
    leave.send(()).expect("the thread waits");
    holder.join().expect("it saw what it should");
}

#[test]
fn no_holder_is_named_where_the_lock_is_released_in_between() {
    lock!(L, Traced::observed(StdMutex::new(), &()));
    let mut thread = attach::<L>();
    assert!(L::LOCK.holder().is_none());
    let mut guard = thread.lock();
    let since = L::LOCK.holder().expect("this thread").since;
    guard.unlocked(|_| assert!(L::LOCK.holder().is_none()));
    let again = L::LOCK.holder().expect("this thread").since;
    assert!(again >= since);
    Condvar::<L>::new().wait_timeout(&mut guard, Duration::from_millis(1));
    assert!(L::LOCK.holder().expect("this thread").since >= again);
    // A leaked guard keeps the lock, until the token ends.
    std::mem::forget(guard);
    assert!(L::LOCK.holder().is_some());
    drop(thread);
    assert!(L::LOCK.holder().is_none());
}

#[test]
fn nobody_is_named_until_the_trace_is_started() {
    lock!(L, Traced::new(StdMutex::new()));
    let mut thread = attach::<L>();
    let guard = thread.lock();
    assert!(L::LOCK.holder().is_none());
    L::LOCK.start();
    assert!(L::LOCK.holder().is_none(), "it was taken before");
    drop(guard);
    let guard = thread.lock();
    assert!(L::LOCK.holder().is_some());
    assert!(L::LOCK.stop().is_empty(), "it lasts");
    assert!(L::LOCK.holder().is_none());
    drop(guard);
    L::LOCK.start();
    assert!(L::LOCK.holder().is_none(), "nobody holds it");
    assert!(L::LOCK.stop().is_empty(), "nobody held it since");
}

#[test]
fn a_hold_from_before_the_record_is_not_in_it() {
    lock!(L, Traced::observed(StdMutex::new(), &()));
    let mut thread = attach::<L>();
    let guard = thread.lock();
    L::LOCK.start();
    drop(guard);
    drop(thread.lock());
    assert_eq!(L::LOCK.stop().len(), 1);
}

#[test]
fn a_record_that_is_started_again_begins_anew() {
    lock!(L, Traced::new(StdMutex::new()));
    let mut thread = attach::<L>();
    L::LOCK.start();
    drop(thread.lock());
    L::LOCK.start();
    drop(thread.lock());
    assert_eq!(L::LOCK.stop().len(), 1);
    assert!(L::LOCK.stop().is_empty(), "it is taken once");
}

#[test]
fn a_wait_ends_with_either_notification() {
    lock!(L, Traced::new(StdMutex::new()));
    static DONE: Guarded<bool, L> = Guarded::new(false);
    let mut thread = attach::<L>();
    for notify in [Condvar::<L>::notify_one, Condvar::<L>::notify_all] {
        let condvar = Condvar::<L>::new();
        let mut guard = thread.lock();
        *DONE.borrow_mut(&mut guard) = false;
        thread::scope(|scope| {
            scope.spawn(|| {
                *DONE.borrow_mut(&mut attach::<L>().lock()) = true;
                notify(&condvar);
            });
            condvar.wait_while(&mut guard, |guard| !*DONE.borrow(guard));
        });
    }
}

#[test]
fn a_wait_says_whether_it_timed_out() {
    lock!(L, Traced::new(StdMutex::new()));
    let mut thread = attach::<L>();
    let mut guard = thread.lock();
    // One that wakes for no reason says that it did not.
    let mut waits =
        (0..10).map(|_| Condvar::<L>::new().wait_timeout(&mut guard, Duration::from_millis(1)));
    assert!(waits.any(|timed_out| timed_out));
}

#[test]
fn an_observer_is_told_what_the_record_has() {
    struct Times(Mutex<Vec<Duration>>);
    impl Observe for Times {
        fn taken(&self, waited: Option<Duration>) {
            self.0.lock().expect("not held").extend(waited);
        }
        fn releases(&self, held: Duration) {
            self.0.lock().expect("not held").push(held);
        }
    }
    static TIMES: Times = Times(Mutex::new(Vec::new()));
    lock!(L, Traced::observed(StdMutex::new(), &TIMES));
    let mut thread = attach::<L>();
    L::LOCK.start();
    drop(thread.lock());
    let [hold] = &L::LOCK.stop()[..] else { panic!("one hold") };
    let times = TIMES.0.lock().expect("not held");
    assert_eq!(*times, [hold.taken - hold.asked, hold.released - hold.taken]);
    assert!(times[1] > Duration::ZERO);
}

#[test]
fn an_observer_is_told_of_each_hold_in_order() {
    static TOLD: Told = Told::nothing();
    lock!(L, Traced::observed(StdMutex::new(), &TOLD));
    static DONE: Guarded<bool, L> = Guarded::new(false);
    let mut thread = attach::<L>();
    assert!(TOLD.take().is_empty(), "attaching is none of its business");
    let mut guard = thread.lock();
    assert_eq!(TOLD.take(), ["asks", "taken"]);
    guard.unlocked(|thread| {
        assert_eq!(TOLD.take(), ["releases"]);
        drop(thread.lock());
        assert_eq!(TOLD.take(), ["asks", "taken", "releases"]);
    });
    assert_eq!(TOLD.take(), ["asks", "taken"]);
    Condvar::<L>::new().wait_timeout(&mut guard, Duration::from_millis(1));
    assert_eq!(TOLD.take(), ["releases", "asks", "taken after a wait"]);
    let condvar = Condvar::<L>::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            *DONE.borrow_mut(&mut attach::<L>().lock()) = true;
            condvar.notify_one();
        });
        condvar.wait_while(&mut guard, |guard| !*DONE.borrow(guard));
    });
    drop(guard);
    // This thread's and the other's, and perhaps a wait that woke for no reason.
    let told = TOLD.take();
    let times = |what| told.iter().filter(|told| **told == what).count();
    assert_eq!((times("asks") + 1, times("taken")), (times("releases"), 1), "{told:?}");
    assert_eq!(times("taken after a wait"), times("asks") - 1, "{told:?}");
}

/// An observer that tries to get a token, and to lock with it.
struct Greedy<L: Lock> {
    refused: AtomicU32,
    _of: std::marker::PhantomData<fn(L) -> L>,
}

impl<L: Lock> Greedy<L> {
    const fn new() -> Self {
        Greedy { refused: AtomicU32::new(0), _of: std::marker::PhantomData }
    }

    fn grab(&self) {
        match Unlocked::<L>::attach() {
            Ok(mut thread) => drop(thread.lock()),
            Err(error) => {
                assert_eq!(error, AttachError::AlreadyAttached);
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl<L: Lock> Observe for Greedy<L> {
    fn asks(&self) {
        self.grab();
    }

    fn taken(&self, _: Option<Duration>) {
        self.grab();
    }

    fn releases(&self, _: Duration) {
        self.grab();
    }
}

#[test]
fn an_observer_gets_no_token() {
    enum L {}
    static GREEDY: Greedy<L> = Greedy::new();
    impl Lock for L {
        type Backend = Traced<StdMutex>;
        const LOCK: &'static Traced<StdMutex> = {
            static MUTEX: Traced<StdMutex> = Traced::observed(StdMutex::new(), &GREEDY);
            &MUTEX
        };
    }
    let mut thread = attach::<L>();
    let mut guard = thread.lock();
    guard.unlocked(|_| ());
    Condvar::<L>::new().wait_timeout(&mut guard, Duration::from_millis(1));
    // The token releases what was leaked before it detaches.
    std::mem::forget(guard);
    drop(thread);
    assert_eq!(GREEDY.refused.load(Ordering::Relaxed), 3 * 3);
}

/// An observer that panics where it is told to, with a payload whose destructor panics too.
struct Panics {
    at: Mutex<&'static str>,
    calls: AtomicU32,
}

struct PanicsAgain;

impl Drop for PanicsAgain {
    fn drop(&mut self) {
        panic!("a payload that is dropped");
    }
}

impl Panics {
    const fn nowhere() -> Self {
        Panics { at: Mutex::new(""), calls: AtomicU32::new(0) }
    }

    fn called(&self, what: &'static str) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if *self.at.lock().expect("it is not held over the panic") == what {
            panic_any(PanicsAgain);
        }
    }
}

impl Observe for Panics {
    fn asks(&self) {
        self.called("asks");
    }

    fn taken(&self, _: Option<Duration>) {
        self.called("taken");
    }

    fn releases(&self, _: Duration) {
        self.called("releases");
    }
}

/// Whether another thread gets the lock, which no thread keeps.
fn another_thread_locks<L: Lock>() {
    thread::scope(|scope| {
        scope.spawn(|| drop(attach::<L>().lock())).join().expect("it takes the lock");
    });
}

#[test]
fn an_observer_that_panics_is_not_called_again_and_the_lock_goes_on() {
    macro_rules! panics_at {
        ($what:literal, $calls:literal) => {{
            static PANICS: Panics = Panics::nowhere();
            lock!(L, Traced::observed(StdMutex::new(), &PANICS));
            *PANICS.at.lock().expect("not held") = $what;
            let mut thread = attach::<L>();
            let mut guard = thread.lock();
            assert!(L::LOCK.holder().is_some(), "it is known as before");
            guard.unlocked(|_| another_thread_locks::<L>());
            drop(guard);
            another_thread_locks::<L>();
            assert_eq!(PANICS.calls.load(Ordering::Relaxed), $calls, $what);
            assert!(L::LOCK.holder().is_none());
        }};
    }
    panics_at!("asks", 1);
    panics_at!("taken", 2);
    panics_at!("releases", 3);
}

/// `unlocked` takes the lock again while it unwinds, and a guard is dropped.
#[test]
fn an_observer_that_panics_while_a_thread_unwinds_ends_nothing() {
    macro_rules! panics_at {
        ($what:literal) => {{
            static PANICS: Panics = Panics::nowhere();
            lock!(L, Traced::observed(StdMutex::new(), &PANICS));
            let mut thread = attach::<L>();
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                thread.lock().unlocked(|_| {
                    *PANICS.at.lock().expect("not held") = $what;
                    panic_any("of the thread");
                });
            }));
            let payload = unwound.expect_err("it unwinds");
            assert_eq!(payload.downcast_ref(), Some(&"of the thread"));
            another_thread_locks::<L>();
            drop(thread.lock());
        }};
    }
    panics_at!("asks");
    panics_at!("taken");
    panics_at!("releases");
}

/// A lock that another language takes too; all values are one lock.
struct OfC;

static HELD: AtomicBool = AtomicBool::new(false);

fn lock_in_c() {
    while HELD.swap(true, Ordering::Acquire) {
        thread::yield_now();
    }
}

fn unlock_in_c() {
    HELD.store(false, Ordering::Release);
}

struct OfCHeld;

impl Drop for OfCHeld {
    fn drop(&mut self) {
        unlock_in_c();
    }
}

thread_local! {
    static ATTACHED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: 1 and 2: the exchange succeeds once for each store, acquire after release. 3: nothing
// here unwinds. 4: `ATTACHED`. 5: nothing is kept.
unsafe impl Backend for OfC {
    type Held = OfCHeld;

    fn lock(&'static self, _: FromTokens) -> OfCHeld {
        lock_in_c();
        OfCHeld
    }

    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        if ATTACHED.replace(true) { Err(AttachError::AlreadyAttached) } else { Ok(()) }
    }

    fn detach(&'static self, _: FromTokens) {
        ATTACHED.set(false);
    }
}

// SAFETY: only the drop of `OfCHeld` releases the lock.
unsafe impl Foreign for OfC {
    unsafe fn assume_held(&'static self) -> OfCHeld {
        OfCHeld
    }
}

/// One test at a time, since there is one lock.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn an_observer_is_called_with_the_lock_held() {
    static SEEN: Mutex<Vec<bool>> = Mutex::new(Vec::new());
    struct Sees;
    impl Sees {
        fn look(&self) {
            SEEN.lock().expect("not held").push(HELD.load(Ordering::Relaxed));
        }
    }
    impl Observe for Sees {
        fn asks(&self) {
            self.look();
        }
        fn taken(&self, _: Option<Duration>) {
            self.look();
        }
        fn releases(&self, _: Duration) {
            self.look();
        }
    }
    static LOCK: Traced<OfC> = Traced::observed(OfC, &Sees);
    enum L {}
    impl Lock for L {
        type Backend = Traced<OfC>;
        const LOCK: &'static Traced<OfC> = &LOCK;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    drop(attach::<L>().lock());
    assert_eq!(*SEEN.lock().expect("not held"), [false, true, true]);
}

#[test]
fn a_lent_guard_is_seen_where_it_takes_the_lock_itself() {
    static TOLD: Told = Told::nothing();
    static LOCK: Traced<OfC> = Traced::observed(OfC, &TOLD);
    enum L {}
    impl Lock for L {
        type Backend = Traced<OfC>;
        const LOCK: &'static Traced<OfC> = &LOCK;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    lock_in_c();
    // SAFETY: this thread took the lock on the line above, and has no token.
    unsafe {
        Guard::<L>::lend(|guard| {
            assert!(LOCK.holder().is_none());
            guard.unlocked(|_| ());
            assert_eq!(TOLD.take(), ["asks", "taken"], "nothing of what C took");
        });
    }
    assert!(HELD.load(Ordering::Relaxed), "the lock is C's again");
    assert_eq!(TOLD.take(), ["releases"], "the hold ends with the lent guard");
    assert!(LOCK.holder().is_none());
    // It does so too if the callback unwinds, and where the lent guard released nothing, there was
    // no hold.
    let unwound = catch_unwind(|| {
        // SAFETY: C still has the lock on this thread, and the thread has no token.
        unsafe {
            Guard::<L>::lend(|guard| {
                guard.unlocked(|_| ());
                panic!("a callback that fails");
            })
        }
    });
    assert!(unwound.is_err());
    assert!(HELD.load(Ordering::Relaxed), "the lock is C's again");
    assert_eq!(TOLD.take(), ["asks", "taken", "releases"]);
    // SAFETY: as above.
    unsafe { Guard::<L>::lend(|_guard| ()) };
    unlock_in_c();
    assert!(TOLD.take().is_empty());
}

#[test]
fn a_guard_lent_on_top_of_a_token_leaves_the_tokens_hold() {
    static TOLD: Told = Told::nothing();
    static LOCK: Traced<OfC> = Traced::observed(OfC, &TOLD);
    enum L {}
    impl Lock for L {
        type Backend = Traced<OfC>;
        const LOCK: &'static Traced<OfC> = &LOCK;
    }
    /// Called back by C, with the lock held.
    fn callback(_handed_over: &mut Guard<'_, L>) {
        // SAFETY: the caller's guard is lent to this call, and not used in it.
        unsafe { Guard::<L>::lend(|guard| guard.unlocked(|_| ())) }
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut thread = attach::<L>();
    let mut guard = thread.lock();
    callback(&mut guard);
    assert_eq!(TOLD.take(), ["asks", "taken", "asks", "taken"], "the caveat: no release between");
    assert!(LOCK.holder().is_some(), "the guard lives");
    drop(guard);
    assert_eq!(TOLD.take(), ["releases"]);
    assert!(LOCK.holder().is_none());
}

#[test]
fn a_token_that_ends_with_its_thread_ends_its_hold() {
    lock!(L, Traced::observed(StdMutex::new(), &()));
    thread_local! {
        static KEPT: RefCell<Option<Unlocked<L>>> = const { RefCell::new(None) };
    }
    let worker = thread::spawn(|| {
        // First, so that it is destroyed after the thread's list of locks.
        KEPT.with_borrow(|kept| assert!(kept.is_none()));
        let mut thread = attach::<L>();
        std::mem::forget(thread.lock());
        KEPT.set(Some(thread));
        L::LOCK.holder().map(|holder| holder.id)
    });
    let id = worker.thread().id();
    assert_eq!(worker.join().expect("it ends"), Some(Some(id)));
    another_thread_locks::<L>();
    assert!(L::LOCK.holder().is_none());
}

/// The standard library no longer knows which thread it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_holder_too_late_in_its_exit_has_no_id() {
    static SEEN: Mutex<Option<Option<thread::ThreadId>>> = Mutex::new(None);
    static KEY: AtomicU32 = AtomicU32::new(0);
    lock!(L, Traced::observed(StdMutex::new(), &()));
    extern "C" fn destructor(round: *mut libc::c_void) {
        if round.addr() == 1 {
            // Again, after the standard library's own.
            let again = std::ptr::without_provenance(2);
            // SAFETY: the key exists, and the destructor does not follow its value.
            unsafe { libc::pthread_setspecific(KEY.load(Ordering::Relaxed), again) };
            return;
        }
        let mut thread = attach::<L>();
        let _guard = thread.lock();
        *SEEN.lock().expect("not held") = L::LOCK.holder().map(|holder| holder.id);
    }
    let mut key = 0;
    // SAFETY: `key` is valid for the call, and the destructor is a function of this program.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(destructor)) }, 0);
    KEY.store(key, Ordering::Relaxed);
    let worker = thread::spawn(move || {
        // SAFETY: the destructor does not follow the value.
        assert_eq!(unsafe { libc::pthread_setspecific(key, std::ptr::without_provenance(1)) }, 0);
    });
    worker.join().expect("it sets its value");
    assert_eq!(*SEEN.lock().expect("not held"), Some(None), "it holds the lock, whoever it is");
    another_thread_locks::<L>();
}
