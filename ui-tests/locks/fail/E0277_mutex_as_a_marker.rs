//! claim: lock.marker-names-the-lock
//! Takes the token of a kind of lock, where a marker names one lock.

use biglock::{Lock, StdMutex, Unlocked};

static MUTEX: StdMutex = StdMutex::new();
enum Big {}
impl Lock for Big {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = &MUTEX;
}

fn work(_thread: &mut Unlocked<StdMutex>) {} //~ E0277 StdMutex

fn main() {}
