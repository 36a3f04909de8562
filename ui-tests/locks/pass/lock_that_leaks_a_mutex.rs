//! claim: lock.constant-names-a-static
//! Makes a mutex on the heap in the constant.

use biglock::{Lock, StdMutex};

static ONE: StdMutex = StdMutex::new();
fn make() -> &'static StdMutex {
    Box::leak(Box::new(StdMutex::new()))
}
enum Mine {}
impl Lock for Mine {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = &ONE;
}

fn main() {
    assert!(!std::ptr::eq(make(), &ONE));
}
