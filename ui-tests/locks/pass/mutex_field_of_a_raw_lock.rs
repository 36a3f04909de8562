//! claim: lock.nobody-gets-past-the-tokens
//! Reaches the mutex below the tokens by its private field.

use biglock::attached::Attached;
use biglock::lock_api::{Place, RawLock};
use biglock::{Lock, Unlocked};

fn lock<M: Place, A: Attached, L: Lock<Backend = RawLock<M, A>>>(thread: &mut Unlocked<L>) {
    let _held = (L::LOCK, thread.lock());
}

fn main() {}
