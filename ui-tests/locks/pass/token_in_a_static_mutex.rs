//! claim: lock.tokens-stay-on-their-thread
//! Keeps the token in a mutex of its own, which every thread sees.

use std::sync::Mutex;

use biglock::{Backend, Lock, Unlocked};

fn require_sync<T: Sync>(_: T) {}

fn park<L: Lock<Backend: Backend<Held: Send>>>(thread: Unlocked<L>) {
    require_sync(Mutex::new(drop::<Unlocked<L>>));
    drop(thread);
}

fn main() {}
