//! claim: lock.constant-names-a-static
//! Names a thread-local, which would be another lock on each thread.

use biglock::{Lock, StdMutex};

static ONE: StdMutex = StdMutex::new();
thread_local!(static MANY: &'static StdMutex = Box::leak(Box::new(StdMutex::new())));
enum Mine {}
impl Lock for Mine {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = MANY.with(|mutex| *mutex); //~ E0015
}

fn main() {
    assert!(MANY.with(|mutex| !std::ptr::eq(*mutex, &ONE)));
}
