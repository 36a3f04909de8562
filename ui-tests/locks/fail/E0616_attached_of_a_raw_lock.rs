//! claim: lock.nobody-gets-past-the-tokens
//! Reaches what a raw lock knows of its threads, to give a token back that is in use.

use biglock::attached::Attached;
use biglock::lock_api::{Place, RawLock};
use biglock::{Lock, Unlocked};

fn lock<M: Place, A: Attached, L: Lock<Backend = RawLock<M, A>>>(thread: &mut Unlocked<L>) {
    let _held = (&L::LOCK.attached, thread.lock()); //~ E0616 attached
}

fn main() {}
