//! What the tokens promise at run time; what they promise at compile time stands in ui-tests.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use biglock::{
    AttachError, Backend, Condvar, Foreign, FromTokens, Guard, Guarded, Lock, SameCell, StdMutex,
    Unlocked, Wait,
};

/// Each test has a lock of its own, so that they may run side by side.
macro_rules! lock {
    ($name:ident) => {
        enum $name {}
        impl Lock for $name {
            type Backend = StdMutex;
            const LOCK: &'static StdMutex = {
                static MUTEX: StdMutex = StdMutex::new();
                &MUTEX
            };
        }
    };
}

/// Another thread takes the lock as soon as it can, and reports.
fn another_thread_locks<L: Lock<Backend = StdMutex>>() -> mpsc::Receiver<()> {
    let (locked, report) = mpsc::channel();
    thread::spawn(move || {
        let mut thread = Unlocked::<L>::attach().expect("a new thread has no token");
        drop(thread.lock());
        // The test may have seen enough and be gone.
        let _ = locked.send(());
    });
    report
}

/// Another thread cannot have the lock now. A slow machine can hide a fault here, but
/// never report one that is not there.
fn is_held<L: Lock<Backend = StdMutex>>() -> bool {
    another_thread_locks::<L>().recv_timeout(Duration::from_millis(50)).is_err()
}

/// Returns once another thread had the lock, however long that takes.
fn assert_free<L: Lock<Backend = StdMutex>>() {
    another_thread_locks::<L>().recv().expect("the thread locks and reports");
}

#[test]
fn a_second_attach_is_an_error_and_not_a_deadlock() {
    lock!(L);
    let token = Unlocked::<L>::attach().expect("first attach");
    for _ in 0..2 {
        // The first refusal leaves the thread attached.
        assert_eq!(Unlocked::<L>::attach().err(), Some(AttachError::AlreadyAttached));
    }
    drop(token);
    assert!(Unlocked::<L>::attach().is_ok(), "given back, so free again");
}

#[test]
fn a_thread_that_ends_is_given_no_token_and_may_give_one_back() {
    lock!(Early);
    lock!(Late);
    /// Dropped with the thread's other values, after the list of locks: that is younger.
    struct AtTheEnd {
        report: mpsc::Sender<Option<AttachError>>,
        token: Option<Unlocked<Early>>,
    }
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let refused = Unlocked::<Late>::attach().err();
            drop(self.token.take());
            self.report.send(refused).expect("the test waits");
        }
    }
    thread_local! {
        static AT_THE_END: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
    }
    let (report, reports) = mpsc::channel();
    thread::spawn(move || {
        AT_THE_END.set(Some(AtTheEnd { report, token: None }));
        let mut token = Unlocked::<Early>::attach().expect("a new thread");
        std::mem::forget(token.lock());
        AT_THE_END.with_borrow_mut(|end| end.as_mut().expect("just set").token = Some(token));
    });
    assert_eq!(reports.recv().expect("the thread ends"), Some(AttachError::ThreadExiting));
    assert_free::<Early>();
}

#[test]
fn each_refusal_says_what_to_do() {
    let said = [AttachError::AlreadyAttached, AttachError::ThreadExiting].map(|error| {
        // `unwrap` panics with what `Debug` prints.
        assert!(format!("{error:?}").contains(&error.to_string()));
        format!("{error:?}")
    });
    assert_eq!(
        said,
        [
            "AlreadyAttached (this thread has its token already: pass the token or the guard down \
             instead of attaching again)",
            "ThreadExiting (this thread is ending and cannot attach to the lock: do this before it \
             ends, or on another thread)",
        ]
    );
}

/// Printing needs no lock, so it cannot look at what the lock protects.
#[test]
fn what_is_printed_is_the_type_and_not_the_data() {
    lock!(L);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    assert_eq!(format!("{:?}", Guarded::<u32, L>::new(7)), "Guarded { .. }");
    assert_eq!(format!("{:?}", Condvar::<L>::new()), "Condvar { .. }");
    assert_eq!(format!("{thread:?}"), "Unlocked { .. }");
    assert_eq!(format!("{:?}", thread.lock()), "Guard { .. }");
}

#[test]
fn two_markers_of_one_lock_count_as_one_attach() {
    lock!(L);
    enum Alias {}
    impl Lock for Alias {
        type Backend = StdMutex;
        const LOCK: &'static StdMutex = L::LOCK;
    }
    let _token = Unlocked::<L>::attach().expect("first attach");
    assert_eq!(Unlocked::<Alias>::attach().err(), Some(AttachError::AlreadyAttached));
}

#[test]
fn different_locks_are_attached_independently() {
    lock!(A);
    lock!(B);
    let mut a = Unlocked::<A>::attach().expect("A");
    let mut b = Unlocked::<B>::attach().expect("B");
    let (_a, _b) = (a.lock(), b.lock());
}

#[test]
fn a_token_given_back_leaves_the_threads_other_tokens() {
    lock!(A);
    lock!(B);
    let a = Unlocked::<A>::attach().expect("A");
    let b = Unlocked::<B>::attach().expect("B");
    drop(a);
    assert_eq!(Unlocked::<B>::attach().err(), Some(AttachError::AlreadyAttached));
    let a = Unlocked::<A>::attach().expect("A was given back");
    drop(b);
    assert_eq!(Unlocked::<A>::attach().err(), Some(AttachError::AlreadyAttached));
    drop(a);
}

#[test]
fn no_write_is_lost_between_threads() {
    lock!(L);
    static COUNT: Guarded<u64, L> = Guarded::new(0);
    const EACH: u64 = 20_000;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(|| {
                let mut thread = Unlocked::<L>::attach().expect("a new thread");
                for _ in 0..EACH {
                    let mut guard = thread.lock();
                    *COUNT.borrow_mut(&mut guard) += 1;
                    guard.unlocked(|_| ());
                    *COUNT.borrow_mut(&mut guard) += 1;
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    assert_eq!(*COUNT.borrow(&thread.lock()), 4 * 2 * EACH);
}

#[test]
fn unlocked_releases_the_lock_and_takes_it_again() {
    lock!(L);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    guard.unlocked(|_| assert_free::<L>());
    assert!(is_held::<L>());
}

/// Looks at the lock while it is dropped by unwinding, as any value that borrows the guard can.
struct LooksOnDrop<'a, 't, L: Lock<Backend = StdMutex>> {
    guard: &'a mut Guard<'t, L>,
    held: &'a Cell<Option<bool>>,
}

impl<L: Lock<Backend = StdMutex>> Drop for LooksOnDrop<'_, '_, L> {
    fn drop(&mut self) {
        let _ = &self.guard;
        self.held.set(Some(is_held::<L>()));
    }
}

#[test]
fn unwinding_out_of_unlocked_takes_the_lock_again_before_the_guard_is_seen() {
    lock!(L);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let held = Cell::new(None);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let look = LooksOnDrop { guard: &mut guard, held: &held };
        look.guard.unlocked(|_| panic!("in unlocked"));
    }));
    assert!(unwound.is_err());
    assert_eq!(held.get(), Some(true));
}

/// A backend whose waits panic after they have released the lock.
struct PanicsInWait(StdMutex);

// SAFETY: every duty is passed on to `StdMutex`.
unsafe impl Backend for PanicsInWait {
    type Held = <StdMutex as Backend>::Held;
    fn lock(&'static self, call: FromTokens) -> Self::Held {
        self.0.lock(call)
    }
    fn attach(&'static self, call: FromTokens) -> Result<(), AttachError> {
        self.0.attach(call)
    }
    fn detach(&'static self, call: FromTokens) {
        self.0.detach(call);
    }
}

// SAFETY: neither wait returns; both may unwind.
unsafe impl Wait for PanicsInWait {
    type Condvar = ();
    fn wait(&'static self, (): &(), held: Self::Held) -> Self::Held {
        drop(held);
        panic!("in wait");
    }
    fn wait_timeout(&'static self, (): &(), held: Self::Held, _: Duration) -> (Self::Held, bool) {
        drop(held);
        panic!("in wait_timeout");
    }
    fn notify_one((): &()) {}
    fn notify_all((): &()) {}
}

#[test]
fn unwinding_out_of_a_wait_takes_the_lock_again_before_the_guard_is_seen() {
    enum L {}
    impl Lock for L {
        type Backend = PanicsInWait;
        const LOCK: &'static PanicsInWait = {
            static MUTEX: PanicsInWait = PanicsInWait(StdMutex::new());
            &MUTEX
        };
    }
    impl Lock for Waiting {
        type Backend = StdMutex;
        const LOCK: &'static StdMutex = &L::LOCK.0;
    }
    /// The same lock without the panicking waits, for the thread that tries it.
    enum Waiting {}

    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let condvar = Condvar::<L>::new();
    for wait in [(|c, g| c.wait(g)) as fn(&Condvar<L>, &mut Guard<'_, L>), |c, g| {
        c.wait_timeout(g, Duration::ZERO);
    }] {
        let unwound = catch_unwind(AssertUnwindSafe(|| wait(&condvar, &mut guard)));
        assert!(unwound.is_err());
        assert!(is_held::<Waiting>());
    }
    drop(guard);
    assert_free::<Waiting>();
}

#[test]
fn a_wait_releases_the_lock_and_wakes_with_it() {
    lock!(L);
    static READY: Guarded<bool, L> = Guarded::new(false);
    let condvar: &'static Condvar<L> = Box::leak(Box::default());
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let other = thread::spawn(move || {
        let mut thread = Unlocked::<L>::attach().expect("a new thread");
        *READY.borrow_mut(&mut thread.lock()) = true;
        condvar.notify_all();
    });
    condvar.wait_while(&mut guard, |guard| !*READY.borrow(guard));
    assert!(is_held::<L>());
    assert!(condvar.wait_timeout(&mut guard, Duration::from_millis(1)));
    assert!(is_held::<L>());
    other.join().expect("no panic");
}

/// Longer than any test takes. Only a fault makes a test wait for so long.
const LONG: Duration = Duration::from_secs(20);

/// Threads that wait for a condition, and what they are woken by.
struct Waiters<L: Lock<Backend = StdMutex>> {
    waiting: &'static Guarded<u32, L>,
    ready: &'static Guarded<bool, L>,
    condvar: &'static Condvar<L>,
}

impl<L: Lock<Backend = StdMutex>> Clone for Waiters<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Lock<Backend = StdMutex>> Copy for Waiters<L> {}

impl<L: Lock<Backend = StdMutex>> Waiters<L> {
    fn new() -> Self {
        Waiters {
            waiting: Box::leak(Box::default()),
            ready: Box::leak(Box::default()),
            condvar: Box::leak(Box::default()),
        }
    }

    /// Starts `count` threads. When this returns each has let the lock go in its wait.
    fn start(
        self,
        guard: &mut Guard<'_, L>,
        count: u32,
        wait: fn(Self, &mut Guard<'_, L>),
    ) -> mpsc::Receiver<()> {
        let (woken, report) = mpsc::channel();
        for _ in 0..count {
            let woken = woken.clone();
            thread::spawn(move || {
                let mut thread = Unlocked::<L>::attach().expect("a new thread");
                let mut guard = thread.lock();
                *self.waiting.borrow_mut(&mut guard) += 1;
                wait(self, &mut guard);
                drop(guard);
                woken.send(()).expect("the test waits");
            });
        }
        while *self.waiting.borrow(guard) < count {
            guard.unlocked(|_| thread::yield_now());
        }
        report
    }

    fn wait(self, guard: &mut Guard<'_, L>) {
        self.condvar.wait_while(guard, |guard| !*self.ready.borrow(guard));
    }
}

#[test]
fn notify_one_wakes_a_waiting_thread() {
    lock!(L);
    let waiters = Waiters::<L>::new();
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let woken = waiters.start(&mut guard, 1, Waiters::wait);
    *waiters.ready.borrow_mut(&mut guard) = true;
    waiters.condvar.notify_one();
    guard.unlocked(|_| woken.recv_timeout(LONG).expect("it wakes"));
}

#[test]
fn notify_all_wakes_every_waiting_thread() {
    lock!(L);
    let waiters = Waiters::<L>::new();
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let woken = waiters.start(&mut guard, 3, Waiters::wait);
    *waiters.ready.borrow_mut(&mut guard) = true;
    waiters.condvar.notify_all();
    guard.unlocked(|_| {
        for _ in 0..3 {
            woken.recv_timeout(LONG).expect("each wakes");
        }
    });
}

#[test]
fn a_wait_that_is_notified_before_its_limit_says_so() {
    lock!(L);
    let waiters = Waiters::<L>::new();
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let woken = waiters.start(&mut guard, 1, |waiters, guard| {
        while !*waiters.ready.borrow(guard) {
            assert!(!waiters.condvar.wait_timeout(guard, 2 * LONG), "the limit did not run out");
        }
    });
    *waiters.ready.borrow_mut(&mut guard) = true;
    waiters.condvar.notify_one();
    guard.unlocked(|_| woken.recv_timeout(LONG).expect("it wakes, and its assertion holds"));
}

#[test]
fn a_thread_that_is_woken_too_early_waits_again() {
    lock!(L);
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    let waiters = Waiters::<L>::new();
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let woken = waiters.start(&mut guard, 1, |waiters, guard| {
        waiters.condvar.wait_while(guard, |guard| {
            LOOKS.fetch_add(1, Ordering::SeqCst);
            !*waiters.ready.borrow(guard)
        });
    });
    while LOOKS.load(Ordering::SeqCst) < 3 {
        waiters.condvar.notify_all();
        guard.unlocked(|_| thread::yield_now());
        assert!(woken.try_recv().is_err(), "it went on while the condition was true");
    }
    *waiters.ready.borrow_mut(&mut guard) = true;
    waiters.condvar.notify_all();
    guard.unlocked(|_| woken.recv_timeout(LONG).expect("it wakes"));
}

#[test]
fn a_wait_wakes_as_ever_after_another_thread_panicked_with_the_lock() {
    lock!(L);
    for wait in [Waiters::wait as fn(Waiters<L>, &mut Guard<'_, L>), |waiters, guard| {
        while !*waiters.ready.borrow(guard) {
            waiters.condvar.wait_timeout(guard, 2 * LONG);
        }
    }] {
        let waiters = Waiters::<L>::new();
        let mut thread = Unlocked::<L>::attach().expect("first attach");
        let woken = waiters.start(&mut thread.lock(), 1, wait);
        let panicked = thread::spawn(move || {
            let mut thread = Unlocked::<L>::attach().expect("a new thread");
            let mut guard = thread.lock();
            *waiters.ready.borrow_mut(&mut guard) = true;
            waiters.condvar.notify_all();
            panic!("with the lock held");
        });
        assert!(panicked.join().is_err());
        woken.recv_timeout(LONG).expect("it wakes");
    }
}

#[test]
fn a_panic_with_the_lock_held_releases_it_and_poisons_nothing() {
    lock!(L);
    let panicked = thread::spawn(|| {
        let mut thread = Unlocked::<L>::attach().expect("a new thread");
        let _guard = thread.lock();
        panic!("with the lock held");
    })
    .join();
    assert!(panicked.is_err());
    assert_free::<L>();
}

#[test]
fn a_leaked_guard_keeps_the_lock_and_the_next_lock_adopts_it() {
    lock!(L);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    std::mem::forget(thread.lock());
    assert!(is_held::<L>());
    drop(thread.lock());
    assert_free::<L>();

    let mut guard = thread.lock();
    guard.unlocked(|thread| std::mem::forget(thread.lock()));
    assert!(is_held::<L>());
    drop(guard);
    assert_free::<L>();

    std::mem::forget(thread.lock());
    drop(thread);
    assert_free::<L>();
}

/// A lock that C code takes, as far as this test goes: a flag with a plain `lock` and `unlock`.
/// Who is attached is left to a `StdMutex` that nobody locks.
struct CLock {
    held: Mutex<bool>,
    released: std::sync::Condvar,
    threads: StdMutex,
}

impl CLock {
    const fn new() -> Self {
        CLock {
            held: Mutex::new(false),
            released: std::sync::Condvar::new(),
            threads: StdMutex::new(),
        }
    }

    fn c_lock(&'static self) {
        let held = self.held.lock().expect("nobody panics with it");
        *self.released.wait_while(held, |held| *held).expect("nobody panics with it") = true;
    }

    fn c_unlock(&'static self) {
        *self.held.lock().expect("nobody panics with it") = false;
        self.released.notify_one();
    }

    fn c_locked(&'static self) -> bool {
        *self.held.lock().expect("nobody panics with it")
    }
}

struct CHeld(&'static CLock);

impl Drop for CHeld {
    fn drop(&mut self) {
        self.0.c_unlock();
    }
}

// SAFETY: 1 and 2: the flag is changed under a mutex. 3: nothing panics with that mutex. 4 is
// `StdMutex`'s.
unsafe impl Backend for CLock {
    type Held = CHeld;
    fn lock(&'static self, _: FromTokens) -> CHeld {
        self.c_lock();
        CHeld(self)
    }
    fn attach(&'static self, call: FromTokens) -> Result<(), AttachError> {
        self.threads.attach(call)
    }
    fn detach(&'static self, call: FromTokens) {
        self.threads.detach(call);
    }
}

// SAFETY: `CHeld` holds nothing but the duty to unlock.
unsafe impl Foreign for CLock {
    unsafe fn assume_held(&'static self) -> CHeld {
        CHeld(self)
    }
}

#[test]
fn a_lent_guard_may_release_the_lock_and_leaves_it_held() {
    static C_LOCK: CLock = CLock::new();
    enum L {}
    impl Lock for L {
        type Backend = CLock;
        const LOCK: &'static CLock = &C_LOCK;
    }

    C_LOCK.c_lock();
    // SAFETY: locked on the line above, and this thread has no token.
    let attached = unsafe {
        Guard::<L>::lend(|guard| {
            guard.unlocked(|_| assert!(!C_LOCK.c_locked()));
            assert!(C_LOCK.c_locked());
            Unlocked::<L>::attach().err()
        })
    };
    assert_eq!(attached, Some(AttachError::AlreadyAttached));
    assert!(C_LOCK.c_locked(), "the lock is the caller's again");

    let unwound = catch_unwind(|| {
        // SAFETY: still held, and this thread has no token.
        unsafe { Guard::<L>::lend(|guard| guard.unlocked(|_| panic!("in unlocked"))) }
    });
    assert!(unwound.is_err());
    assert!(C_LOCK.c_locked());
    C_LOCK.c_unlock();

    let mut token = Unlocked::<L>::attach().expect("lending attached for its time only");
    let mut guard = token.lock();
    let handed_over = &mut guard;
    // SAFETY: the guard of this thread's token is borrowed mutably until after the call.
    unsafe { Guard::<L>::lend(|_| ()) };
    let _ = handed_over;
    assert!(Unlocked::<L>::attach().is_err(), "the thread has its token still");
}

#[test]
fn a_guard_is_lent_on_top_of_a_token_that_was_handed_over() {
    static C_LOCK: CLock = CLock::new();
    enum L {}
    impl Lock for L {
        type Backend = CLock;
        const LOCK: &'static CLock = &C_LOCK;
    }
    /// Has the token for the call, in which C calls back.
    fn call_out(_handed_over: &mut Unlocked<L>) {
        assert!(C_LOCK.c_locked());
        // SAFETY: the lock is held, and the token is handed over until this returns.
        unsafe {
            Guard::<L>::lend(|guard| {
                guard.unlocked(|_| assert!(!C_LOCK.c_locked()));
                assert!(C_LOCK.c_locked());
            });
        }
        assert!(C_LOCK.c_locked());
    }

    let mut token = Unlocked::<L>::attach().expect("first attach");
    C_LOCK.c_lock();
    call_out(&mut token);
    C_LOCK.c_unlock();

    let mut guard = token.lock();
    guard.unlocked(|token| {
        std::mem::forget(token.lock());
        call_out(token);
    });
    assert!(C_LOCK.c_locked(), "by the leaked guard, with which this one goes on");
    drop(guard);
    assert!(!C_LOCK.c_locked(), "each lock was released once");
}

/// A backend whose release unwinds, against its duty.
struct PanicsOnRelease(StdMutex);

struct Releases(Option<<StdMutex as Backend>::Held>);

static PANIC_ON_RELEASE: AtomicBool = AtomicBool::new(false);

impl Drop for Releases {
    fn drop(&mut self) {
        drop(self.0.take());
        if PANIC_ON_RELEASE.swap(false, Ordering::SeqCst) {
            panic!("after the release");
        }
    }
}

// SAFETY: all but the drop of `Held`, which unwinds once, is passed on to `StdMutex`.
unsafe impl Backend for PanicsOnRelease {
    type Held = Releases;
    fn lock(&'static self, call: FromTokens) -> Releases {
        Releases(Some(self.0.lock(call)))
    }
    fn attach(&'static self, call: FromTokens) -> Result<(), AttachError> {
        self.0.attach(call)
    }
    fn detach(&'static self, call: FromTokens) {
        self.0.detach(call);
    }
}

#[test]
fn a_release_that_unwinds_in_unlocked_leaves_no_guard_without_the_lock() {
    static MUTEX: PanicsOnRelease = PanicsOnRelease(StdMutex::new());
    enum L {}
    impl Lock for L {
        type Backend = PanicsOnRelease;
        const LOCK: &'static PanicsOnRelease = &MUTEX;
    }
    enum Probe {}
    impl Lock for Probe {
        type Backend = StdMutex;
        const LOCK: &'static StdMutex = &MUTEX.0;
    }
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    PANIC_ON_RELEASE.store(true, Ordering::SeqCst);
    let unwound = catch_unwind(AssertUnwindSafe(|| guard.unlocked(|_| ())));
    assert!(unwound.is_err());
    assert!(is_held::<Probe>());
}

/// A backend that notes what it is asked to do.
struct Notes;

static NOTED: Mutex<Vec<&str>> = Mutex::new(Vec::new());

fn note(what: &'static str) {
    NOTED.lock().expect("nobody panics with it").push(what);
}

struct NotesRelease;

impl Drop for NotesRelease {
    fn drop(&mut self) {
        note("release");
    }
}

// SAFETY: 1 and 2: one test locks it, on one thread. 3: nothing panics. 4: that test attaches
// once. 5: nothing is kept.
unsafe impl Backend for Notes {
    type Held = NotesRelease;
    fn lock(&'static self, _: FromTokens) -> NotesRelease {
        note("lock");
        NotesRelease
    }
    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        note("attach");
        Ok(())
    }
    fn detach(&'static self, _: FromTokens) {
        note("detach");
    }
}

#[test]
fn a_token_releases_what_was_leaked_before_it_detaches() {
    enum L {}
    impl Lock for L {
        type Backend = Notes;
        const LOCK: &'static Notes = &Notes;
    }
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    thread.lock().unlocked(|_| note("unlocked"));
    std::mem::forget(thread.lock());
    drop(thread);
    let noted = NOTED.lock().expect("nobody panics with it");
    assert_eq!(
        *noted,
        ["attach", "lock", "release", "unlocked", "lock", "release", "lock", "release", "detach"]
    );
}

#[test]
fn two_of_many_that_are_one_are_refused_by_their_places() {
    lock!(L);
    fn same<T>(first: usize, second: usize, result: Result<T, SameCell>) {
        let error = result.map(drop).expect_err("two are one");
        assert_eq!((error.first, error.second), (first, second));
        assert_eq!(
            error.to_string(),
            format!("guarded values {first} and {second} (counted from 0) are one")
        );
    }
    let (a, b, c) = (Guarded::<u32, L>::new(1), Guarded::new(2), Guarded::new(3));
    let text = Guarded::<String, L>::new(String::new());
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();

    same(0, 1, guard.borrow_many_mut([&a, &a]));
    same(0, 2, guard.borrow_many_mut([&a, &b, &a]));
    same(1, 2, guard.borrow_many_mut([&a, &b, &b, &a]));
    same(0, 1, guard.borrow_many_mut((&a, &a)));
    same(1, 2, guard.borrow_many_mut((&text, &a, &a)));
    same(0, 3, guard.borrow_many_mut((&a, &text, &b, &a)));
    same(0, 1, guard.split().1.borrow_many_mut((&text, &text)));
    same(0, 1, guard.split().1.borrow_many_mut([&b; 2]));
    assert_eq!(*a.borrow(&guard) + *b.borrow(&guard), 3, "refused before anything is lent");

    let [x, y, z] = guard.borrow_many_mut([&a, &b, &c]).expect("three");
    (*x, *y, *z) = (*y, *z, *x);
    let (x, line) = guard.borrow_many_mut((&a, &text)).expect("of two types");
    line.push_str(&x.to_string());
    let (_, mut access) = guard.split();
    let (line, x, y, z) = access.borrow_many_mut((&text, &a, &b, &c)).expect("four");
    line.push_str(&format!(" {x} {y} {z}"));
    assert_eq!(text.borrow(&guard), "2 2 3 1");
    assert!(guard.borrow_many_mut([&a; 0]).is_ok_and(|[]| true));
    assert!(guard.borrow_many_mut([&a]).is_ok_and(|[a]| *a == 2));
}

/// What counts is the memory, whatever the types say of it.
#[test]
fn many_are_compared_by_their_memory() {
    lock!(L);
    struct Fields {
        empty: Guarded<[u64; 0], L>,
        small: Guarded<u8, L>,
        large: Guarded<[u8; 4], L>,
    }
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();

    // The same value, with its size in its type and without.
    let fields = Fields {
        empty: Guarded::new([]),
        small: Guarded::new(1),
        large: Guarded::new([1, 2, 3, 4]),
    };
    let one = guard.borrow_many_mut([&fields.small; 2]).expect_err("one value twice");
    let unsized_large: &Guarded<[u8], L> = &fields.large;
    assert_eq!(guard.borrow_many_mut((&fields.large, unsized_large)), Err(one));
    assert_eq!(guard.borrow_many_mut([unsized_large, unsized_large]), Err(one));
    let debug: &Guarded<dyn std::fmt::Debug + Send, L> = &fields.small;
    assert!(guard.borrow_many_mut([debug, debug]).is_err());

    // Neighbours, also those without a size, which have the address of another field.
    let (empty, small, large) =
        guard.borrow_many_mut((&fields.empty, &fields.small, &fields.large)).expect("three fields");
    assert!(empty.is_empty());
    large[0] += *small;
    let row = [(); 3].map(|()| Guarded::<u16, L>::new(5));
    let [first, second, third] = guard.borrow_many_mut([&row[2], &row[0], &row[1]]).expect("a row");
    (*first, *second, *third) = (2, 0, 1);
    assert_eq!(row.each_ref().map(|cell| *cell.borrow(&guard)), [0, 1, 2]);
    assert_eq!(fields.large.borrow(&guard), &[2, 2, 3, 4]);

    // One value without a size is one too: it may stand for a right of which there is one.
    let right = Guarded::<(), L>::new(());
    assert_eq!(guard.borrow_many_mut([&right, &right]), Err(one));
    assert_eq!(guard.borrow_many_mut((&right, &right)), Err(one));
    let none: &Guarded<[u8], L> = &Guarded::<[u8; 0], L>::new([]);
    assert_eq!(guard.borrow_many_mut((none, none)), Err(one));
}
