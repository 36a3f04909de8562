//! claim: lock.constant-names-a-static
//! Makes a mutex in the constant, which would be a new one at each use.

use biglock::{Lock, StdMutex};

enum Mine {}
impl Lock for Mine {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = { static MUTEX: StdMutex = StdMutex::new(); &MUTEX };
}

fn main() {}
