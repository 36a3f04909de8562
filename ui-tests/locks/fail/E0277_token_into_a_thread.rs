//! claim: lock.tokens-stay-on-their-thread
//! Starts a thread with the token of this one.

use biglock::{Backend, Lock, Unlocked};

fn spawn(_run: impl FnOnce() + Send + 'static) {}

fn start<L: Lock<Backend: Backend<Held: Send>>>(mut thread: Unlocked<L>) {
    drop(thread.lock());
    spawn(move || drop(thread.lock())); //~ E0277 sent
}

fn main() {}
