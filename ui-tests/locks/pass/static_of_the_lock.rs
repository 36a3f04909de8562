//! claim: lock.nobody-gets-past-the-tokens
//! Names the static of the lock by its path.

use biglock::{Lock, StdMutex};
use bql::Bql as Known;

enum Mine {}
impl Lock for Mine {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = Known::LOCK;
}

fn main() {}
