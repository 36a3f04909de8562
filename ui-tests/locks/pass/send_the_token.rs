//! claim: lock.tokens-stay-on-their-thread
//! Moves the token to another thread.

use biglock::{Backend, Lock, Unlocked};

fn require_send<T: Send>(_: T) {}

fn give<L: Lock<Backend: Backend<Held: Send>>>(mut thread: Unlocked<L>) {
    drop(thread.lock());
    require_send(|thread: Unlocked<L>| drop(thread));
}

fn main() {}
