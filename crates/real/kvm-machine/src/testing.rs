//! What the tests of this crate's inside share.

use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use migration::bql::BqlUnlocked;
use migration::{Endpoint, Uri};

/// Longest wait for what has to come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Takes the turn of a test that uses the one migration object.
pub(crate) fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Attaches a test's thread to the BQL.
pub(crate) fn attach() -> BqlUnlocked {
    BqlUnlocked::attach().expect("the token of a test's thread")
}

/// Returns whether KVM can be used. A test without it says that it was skipped, or fails with
/// `LASTREF_REQUIRE_KVM=1`.
#[track_caller]
pub(crate) fn kvm() -> bool {
    match crate::available() {
        Ok(()) => true,
        Err(error) => {
            let error = migration::error_chain(&error);
            let required = std::env::var_os("LASTREF_REQUIRE_KVM").is_some_and(|set| set == "1");
            assert!(!required, "{error}");
            println!("SKIPPED: {error}");
            false
        }
    }
}

/// Waits until `done`, and fails the test at the deadline.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < DEADLINE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Makes a connection: one end for the engine, the other for the test.
pub(crate) fn pair() -> (Endpoint, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    (Endpoint::with_fd(Uri::Fd(0), theirs.into()), ours)
}
