//! Tokens where a thread or a process ends: destructors of thread-local storage, `atexit`, `fork`,
//! detached threads, threads that C ends. docs/exit.md has the rules.
//!
//! A program of its own: most of these run in a process that ends.
//!
//! The facts are those of Linux with glibc.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::os::unix::thread::JoinHandleExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::{env, io, process, ptr, thread};

use biglock::{AttachError, Backend, FromTokens, Guarded, Lock, StdMutex, Unlocked};

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

const CHILD: &str = "LASTREF_TEST_ENDS";

/// Whether this process is the one that a test started to see it end.
fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// Runs the test `name` again in another process.
fn child(name: &str) -> Output {
    Command::new(env::current_exe().expect("a test is a program"))
        // On the main thread.
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("it starts again")
}

/// What the child wrote, if it ended by itself and without an error.
fn said_by_child(name: &str) -> String {
    let output = child(name);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{:?}: {said}", output.status);
    said
}

fn at_exit(handler: extern "C" fn()) {
    // SAFETY: the handler is a function of this program, which is not unloaded.
    assert_eq!(unsafe { libc::atexit(handler) }, 0, "there is room for a handler");
}

// Thread-local storage. That a destructor which runs after the list of locks is refused, and may
// give a token back, is `a_thread_that_ends_is_given_no_token_and_may_give_one_back` in tokens.rs.

#[test]
fn a_destructor_that_runs_before_the_list_of_locks_may_lock() {
    lock!(L);
    struct Locks(mpsc::Sender<Option<AttachError>>);
    impl Drop for Locks {
        fn drop(&mut self) {
            let refused = Unlocked::<L>::attach().map(|mut thread| drop(thread.lock())).err();
            self.0.send(refused).expect("the test waits");
        }
    }
    thread_local! {
        static AT_THE_END: RefCell<Option<Locks>> = const { RefCell::new(None) };
    }
    let (report, reports) = mpsc::channel();
    thread::spawn(move || {
        // First: what is used last is destroyed first.
        drop(Unlocked::<L>::attach().expect("a new thread"));
        AT_THE_END.set(Some(Locks(report)));
    });
    assert_eq!(reports.recv(), Ok(None), "it attached and locked");
}

#[test]
fn the_main_threads_storage_is_destroyed_when_main_returns() {
    lock!(L);
    struct Locks;
    impl Drop for Locks {
        fn drop(&mut self) {
            let locked = Unlocked::<L>::attach().map(|mut thread| drop(thread.lock()));
            eprintln!("at the end of main: {locked:?}");
        }
    }
    thread_local! {
        static AT_THE_END: RefCell<Option<Locks>> = const { RefCell::new(None) };
    }
    if is_child() {
        drop(Unlocked::<L>::attach().expect("first attach"));
        AT_THE_END.set(Some(Locks));
        return;
    }
    let said = said_by_child("the_main_threads_storage_is_destroyed_when_main_returns");
    assert!(said.contains("at the end of main: Ok(())"), "{said}");
}

/// Runs `f` on a new thread where C destroys that thread's values, after those of Rust.
fn in_a_destructor_of_c(before: fn(), f: extern "C" fn(*mut libc::c_void)) {
    let mut key = 0;
    // SAFETY: `key` is valid for the call, and `f` is a function of this program.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(f)) }, 0);
    let worker = thread::spawn(move || {
        before();
        // SAFETY: `f` does not use the value.
        assert_eq!(unsafe { libc::pthread_setspecific(key, ptr::dangling()) }, 0);
    });
    worker.join().expect("it sets its value");
}

#[test]
fn a_destructor_of_c_is_refused_a_token_on_a_thread_that_had_one() {
    lock!(L);
    static REFUSED: Mutex<Option<AttachError>> = Mutex::new(None);
    extern "C" fn destructor(_: *mut libc::c_void) {
        *REFUSED.lock().expect("not held") = Unlocked::<L>::attach().err();
    }
    let before = || drop(Unlocked::<L>::attach().expect("a new thread"));
    in_a_destructor_of_c(before, destructor);
    assert_eq!(*REFUSED.lock().expect("not held"), Some(AttachError::ThreadExiting));
}

#[test]
fn a_destructor_of_c_may_lock_on_a_thread_that_had_no_token() {
    lock!(L);
    static ENDS: Guarded<u32, L> = Guarded::new(0);
    extern "C" fn destructor(_: *mut libc::c_void) {
        let mut thread = Unlocked::<L>::attach().expect("this thread had none");
        *ENDS.borrow_mut(&mut thread.lock()) += 1;
    }
    in_a_destructor_of_c(|| (), destructor);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    assert_eq!(*ENDS.borrow(&thread.lock()), 1, "and the lock is free");
}

// `exit` and its handlers.

#[test]
fn a_handler_on_a_thread_that_had_a_token_is_refused_one() {
    lock!(L);
    extern "C" fn handler() {
        eprintln!("the handler: {:?}", Unlocked::<L>::attach().err());
    }
    if is_child() {
        at_exit(handler);
        let mut thread = Unlocked::<L>::attach().expect("a new process");
        let _guard = thread.lock();
        process::exit(0);
    }
    let said = said_by_child("a_handler_on_a_thread_that_had_a_token_is_refused_one");
    assert!(said.contains("the handler: Some(ThreadExiting"), "{said}");
}

#[test]
fn a_handler_on_a_thread_that_had_no_token_may_attach_and_waits_for_the_lock() {
    lock!(L);
    static IN_THE_HANDLER: AtomicBool = AtomicBool::new(false);
    extern "C" fn handler() {
        IN_THE_HANDLER.store(true, Ordering::Relaxed);
        let mut thread = Unlocked::<L>::attach().expect("this thread had none");
        let _guard = thread.lock();
        eprintln!("the handler locks");
    }
    if is_child() {
        at_exit(handler);
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut thread = Unlocked::<L>::attach().expect("a new thread");
            let guard = thread.lock();
            tell.send(()).expect("the test waits");
            // Other threads go on while the handlers run.
            while !IN_THE_HANDLER.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            eprintln!("the thread releases");
            drop(guard);
        });
        told.recv().expect("the thread tells");
        process::exit(0);
    }
    let said =
        said_by_child("a_handler_on_a_thread_that_had_no_token_may_attach_and_waits_for_the_lock");
    let of = |what| said.find(what).unwrap_or_else(|| panic!("{what}: {said}"));
    assert!(of("the thread releases") < of("the handler locks"), "{said}");
}

#[test]
fn a_process_ends_under_threads_that_hold_the_lock_or_wait_for_it() {
    lock!(L);
    struct Dropped;
    impl Drop for Dropped {
        fn drop(&mut self) {
            eprintln!("something was dropped");
        }
    }
    thread_local! {
        static STORED: RefCell<Option<Dropped>> = const { RefCell::new(None) };
    }
    if is_child() {
        let (tell, told) = mpsc::channel();
        let waits = tell.clone();
        thread::spawn(move || {
            STORED.set(Some(Dropped));
            let _dropped = Dropped;
            let mut thread = Unlocked::<L>::attach().expect("a new thread");
            let _guard = thread.lock();
            tell.send(()).expect("the test waits");
            loop {
                thread::park();
            }
        });
        told.recv().expect("it has the lock");
        thread::spawn(move || {
            let _dropped = Dropped;
            let mut thread = Unlocked::<L>::attach().expect("a new thread");
            waits.send(()).expect("the test waits");
            drop(thread.lock());
            eprintln!("it has the lock, too");
        });
        told.recv().expect("it asks for the lock");
        // The test returns, and then `main`.
        return;
    }
    let said = said_by_child("a_process_ends_under_threads_that_hold_the_lock_or_wait_for_it");
    assert!(!said.contains("something was dropped"), "{said}");
    assert!(!said.contains("it has the lock, too"), "{said}");
}

// `fork`.

/// Runs `f` in a copy of this process, and returns the status that it ends with. `f` may call only
/// what a signal handler may: other threads may have held any lock of the C library.
fn forked(f: impl FnOnce() -> i32) -> io::Result<impl FnOnce() -> i32> {
    // SAFETY: the child calls `f`, which keeps to the rule, and ends without returning.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = f();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(status) }
        }
        child => Ok(move || {
            let mut status = 0;
            // SAFETY: `status` is valid for the call.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            process::ExitStatus::from_raw(status).code().unwrap_or(-1)
        }),
    }
}

#[test]
fn the_child_of_a_fork_has_its_own_copy_of_the_threads_tokens() {
    lock!(L);
    static VALUE: Guarded<i32, L> = Guarded::new(1);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let child = forked(|| {
        if Unlocked::<L>::attach().err() != Some(AttachError::AlreadyAttached) {
            return 100;
        }
        *VALUE.borrow_mut(&mut guard) += 1;
        // Released and taken again in the child, which has the mutex to itself.
        guard.unlocked(|thread| drop(thread.lock()));
        *VALUE.borrow(&guard)
    });
    assert_eq!(child.expect("a child")(), 2);
    assert_eq!(*VALUE.borrow(&guard), 1, "the parent's is another");
    drop(guard);
    drop(thread.lock());
}

/// A mutex that the test can look at.
struct Seen;

static SEEN: Mutex<()> = Mutex::new(());
static ATTACHED: StdMutex = StdMutex::new();

// SAFETY: 1 and 2 are what `std::sync::Mutex` does; there is one. 3: it is locked by tokens and by
// `try_lock` only. 4: `ATTACHED`. 5: the `FromTokens` is passed on in its call.
unsafe impl Backend for Seen {
    type Held = MutexGuard<'static, ()>;

    fn lock(&'static self, _: FromTokens) -> Self::Held {
        SEEN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(&'static self, from: FromTokens) -> Result<(), AttachError> {
        ATTACHED.attach(from)
    }

    fn detach(&'static self, from: FromTokens) {
        ATTACHED.detach(from);
    }
}

fn is_held() -> bool {
    matches!(SEEN.try_lock(), Err(TryLockError::WouldBlock))
}

#[test]
fn a_lock_that_another_thread_held_at_a_fork_is_never_released_in_the_child() {
    enum L {}
    impl Lock for L {
        type Backend = Seen;
        const LOCK: &'static Seen = &Seen;
    }
    let (mut reads, mut writes) = UnixStream::pair().expect("a pair of sockets");
    let (tell, told) = mpsc::channel();
    let (leave, left) = mpsc::channel();
    let holder = thread::spawn(move || {
        let mut thread = Unlocked::<L>::attach().expect("a new thread");
        let guard = thread.lock();
        tell.send(()).expect("the test waits");
        left.recv().expect("the test tells");
        drop(guard);
    });
    told.recv().expect("it has the lock");
    let child = forked(|| {
        let at_first = is_held();
        // Until the parent's lock is free.
        let mut byte = [0];
        let read = io::Read::read(&mut reads, &mut byte);
        i32::from(!(at_first && matches!(read, Ok(1)) && is_held()))
    });
    leave.send(()).expect("the thread waits");
    holder.join().expect("it releases the lock");
    drop(Unlocked::<L>::attach().expect("first attach").lock());
    assert!(!is_held());
    io::Write::write_all(&mut writes, &[0]).expect("the child reads");
    assert_eq!(child.expect("a child")(), 0);
}

// Threads that C ends.

/// Runs `f` in another process on a thread that C cancels, and then `after`.
fn cancelled(
    name: &str,
    f: impl FnOnce(mpsc::Sender<()>) + Send + 'static,
    after: impl FnOnce(),
) -> Option<Output> {
    if !is_child() {
        return Some(child(name));
    }
    let (tell, told) = mpsc::channel();
    let worker = thread::spawn(move || f(tell));
    told.recv().expect("it is ready");
    // SAFETY: the thread has not been joined. What follows is not defined by Rust if the thread is
    // cancelled in its frames: that is what the tests look at.
    unsafe { libc::pthread_cancel(worker.as_pthread_t()) };
    after();
    worker.join().expect("it ends by itself");
    None
}

#[test]
fn a_thread_that_is_cancelled_with_the_lock_takes_the_process_with_it() {
    lock!(L);
    unsafe extern "C-unwind" {
        safe fn pause() -> libc::c_int;
    }
    let name = "a_thread_that_is_cancelled_with_the_lock_takes_the_process_with_it";
    let ends = |tell: mpsc::Sender<()>| {
        let mut thread = Unlocked::<L>::attach().expect("a new thread");
        let _guard = thread.lock();
        tell.send(()).expect("the test waits");
        pause();
    };
    let output = cancelled(name, ends, || ());
    let output = output.expect("a cancelled thread does not end alone");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
}

#[test]
fn a_thread_that_waits_for_the_lock_is_not_cancelled_there() {
    lock!(L);
    static CANCELLED: AtomicBool = AtomicBool::new(false);
    let name = "a_thread_that_waits_for_the_lock_is_not_cancelled_there";
    let waits = |tell: mpsc::Sender<()>| {
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            let mut thread = Unlocked::<L>::attach().expect("a new thread");
            let guard = thread.lock();
            ready.send(()).expect("the other waits");
            while !CANCELLED.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            drop(guard);
        });
        is_ready.recv().expect("it has the lock");
        let mut thread = Unlocked::<L>::attach().expect("a new thread");
        tell.send(()).expect("the test waits");
        drop(thread.lock());
    };
    let cancel = || CANCELLED.store(true, Ordering::Relaxed);
    // In the child the thread ended as if nothing was.
    if let Some(output) = cancelled(name, waits, cancel) {
        assert!(output.status.success(), "{output:?}");
    }
}
