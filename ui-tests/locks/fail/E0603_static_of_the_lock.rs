//! claim: lock.nobody-gets-past-the-tokens
//! Names the static of the lock by its path.

use biglock::{Lock, StdMutex};
use bql::Bql as Known;

enum Mine {}
impl Lock for Mine {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = [&bql::BQL, Known::LOCK][0]; //~ E0603 BQL
}

fn main() {}
