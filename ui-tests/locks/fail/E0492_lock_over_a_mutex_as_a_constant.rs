//! claim: lock.constant-names-a-static
//! Makes the lock over a mutex where it is named, so that a thread may attach to each copy.

use biglock::Lock;
use biglock::attached::ByThreadLocal;
use biglock::lock_api::RawLock;
use spin::lock_api::Mutex;

static OLD: Mutex<()> = Mutex::new(());
type Backend = RawLock<&'static Mutex<()>, ByThreadLocal>;

enum Big {}
impl Lock for Big {
    type Backend = Backend;
    const LOCK: &'static Backend = &RawLock::over(&OLD); //~ E0492
}

fn main() {}
