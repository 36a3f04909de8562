//! claim: lock.constant-names-a-static
//! Names a lazily made lock, which could be made twice.

use std::sync::LazyLock;

use biglock::{Lock, StdMutex};

static PLAIN: StdMutex = StdMutex::new();
static LAZY: LazyLock<StdMutex> = LazyLock::new(StdMutex::new);
enum Mine {}
impl Lock for Mine {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = &PLAIN;
}

fn main() {
    assert!(!std::ptr::eq(LazyLock::force(&LAZY), &PLAIN));
}
