//! claim: lock.marker-names-the-lock
//! Swaps the guards of two locks.

use biglock::{Guard, Lock, StdMutex};
use bql::Bql;

enum Other {}
impl Lock for Other {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = {
        static MUTEX: StdMutex = StdMutex::new();
        &MUTEX
    };
}
fn swap<T>(a: &mut T, b: &mut T) {
    std::mem::swap(a, b);
}

fn trade<'t>(a: &mut Guard<'t, Bql>, b: &mut Guard<'t, Bql>) {
    swap(a, b);
}

fn main() {}
