//! Running a loom model, and the big lock over loom's mutex.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::sync::{Once, PoisonError};
use std::time::Duration;

use biglock::{AttachError, Backend, FromTokens, Wait};
use loom::sync::{Condvar, Mutex, MutexGuard};

/// What loom explored.
#[derive(Debug)]
pub struct Explored {
    /// How many interleavings were played, the failing one included.
    pub interleavings: usize,
    /// What the failing one said.
    pub failure: Option<String>,
}

thread_local! {
    /// The number of the interleaving that this thread plays; loom plays all threads of a
    /// model on one.
    static INTERLEAVING: Cell<usize> = const { Cell::new(0) };
}

/// Plays `model` in every interleaving that loom tries, or in those with at most so many preemptions, until
/// one fails.
pub fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) -> Explored {
    keep_failures_quiet();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            INTERLEAVING.set(INTERLEAVING.get() + 1);
            model();
        });
    }));
    Explored {
        interleavings: INTERLEAVING.replace(0),
        failure: result.err().map(|payload| match payload.downcast::<String>() {
            Ok(message) => message.trim_end().to_owned(),
            Err(payload) => payload.downcast::<&str>().map_or_else(
                |_| "a panic without words".to_owned(),
                |message| (*message).to_owned(),
            ),
        }),
    }
}

/// `model` holds in every interleaving.
///
/// # Panics
///
/// If one fails.
pub fn holds(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    if alone().is_some() {
        return;
    }
    let Explored { interleavings, failure } = explore(preemptions, model);
    if let Some(failure) = failure {
        panic!("{name}: fails in interleaving {interleavings}: {failure}");
    }
    let bound = preemptions.map_or(String::new(), |n| format!(" with at most {n} preemptions"));
    println!("{name}: holds in all {interleavings} interleavings{bound}");
}

/// `model` has an interleaving that fails with `expected` in its words.
///
/// # Panics
///
/// If it has none, or fails otherwise.
pub fn breaks(name: &str, expected: &str, model: impl Fn() + Send + Sync + 'static) {
    if alone().is_some() {
        return;
    }
    let Explored { interleavings, failure } = explore(None, model);
    let failure = failure.unwrap_or_else(|| {
        panic!("{name}: {interleavings} interleavings, and none fails; the model sees nothing")
    });
    assert!(failure.contains(expected), "{name}: fails, but otherwise: {failure}");
    println!("{name}: breaks in interleaving {interleavings}: {failure}");
}

/// The same for a failure that cannot unwind, since it meets a place that takes the lock
/// again and aborts: it runs in a process of its own.
///
/// # Panics
///
/// If the model does not fail, or fails otherwise.
pub fn breaks_for_good(name: &str, expected: &str, model: impl Fn() + Send + Sync + 'static) {
    match alone() {
        Some(alone) if alone == name => {
            if explore(None, model).failure.is_some() {
                std::process::exit(1);
            }
        }
        Some(_) => {}
        None => {
            let program = std::env::current_exe().expect("a test knows its program");
            let output = Command::new(program)
                .args(["--nocapture", "--test-threads=1"])
                .env(ALONE, name)
                .output()
                .expect("the test's program starts again");
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{name}: none fails; the model sees nothing");
            let failure = words.lines().find(|line| line.starts_with(FAILED)).unwrap_or(&words);
            assert!(failure.contains(expected), "{name}: fails, but otherwise: {words}");
            println!("{name}: breaks in {failure}");
        }
    }
}

/// Names the one model that a process of its own plays.
const ALONE: &str = "LASTREF_LOOM_MODEL";
/// Begins the line with the failure there.
const FAILED: &str = "interleaving ";

fn alone() -> Option<String> {
    std::env::var(ALONE).ok()
}

/// The panics of models are wanted, or reported in full later.
fn keep_failures_quiet() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| match INTERLEAVING.get() {
            0 => default(info),
            nth if alone().is_some() => {
                eprintln!("{FAILED}{nth}: {}", info.payload_as_str().unwrap_or_default());
            }
            _ => {}
        }));
    });
}

loom::lazy_static! {
    static ref MUTEX: Mutex<()> = Mutex::new(());
}

loom::thread_local! {
    static ATTACHED: Cell<bool> = Cell::new(false);
}

/// loom's mutex as the big lock. It has no memory: there is one in each interleaving.
#[derive(Debug, Default)]
pub struct LoomMutex;

impl LoomMutex {
    /// The lock.
    pub const fn new() -> Self {
        LoomMutex
    }
}

// SAFETY: 1 and 2 are what loom's mutex does, and `Held` is its guard; the lock is the one
// of the interleaving, for every value. 3: it does not unwind but to end a model. 4:
// `ATTACHED`.
unsafe impl Backend for LoomMutex {
    type Held = MutexGuard<'static, ()>;

    fn lock(&'static self, _: FromTokens) -> Self::Held {
        MUTEX.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(&'static self, _: FromTokens) -> Result<(), AttachError> {
        if ATTACHED.with(|attached| attached.replace(true)) {
            return Err(AttachError::AlreadyAttached);
        }
        Ok(())
    }

    fn detach(&'static self, _: FromTokens) {
        // After a deadlock there is no thread to ask, and the model is over anyway.
        if !std::thread::panicking() {
            ATTACHED.with(|attached| attached.set(false));
        }
    }
}

// SAFETY: loom's condition variable returns the guard of the same mutex, locked.
unsafe impl Wait for LoomMutex {
    type Condvar = Condvar;

    fn wait(&'static self, condvar: &Condvar, held: Self::Held) -> Self::Held {
        condvar.wait(held).unwrap_or_else(PoisonError::into_inner)
    }

    // loom has no clock: the limit never runs out.
    fn wait_timeout(
        &'static self,
        condvar: &Condvar,
        held: Self::Held,
        _limit: Duration,
    ) -> (Self::Held, bool) {
        (self.wait(condvar, held), false)
    }

    fn notify_one(condvar: &Condvar) {
        condvar.notify_one();
    }

    fn notify_all(condvar: &Condvar) {
        condvar.notify_all();
    }
}
