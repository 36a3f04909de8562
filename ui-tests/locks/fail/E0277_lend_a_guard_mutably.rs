//! claim: lock.tokens-stay-on-their-thread
//! Lends a guard mutably to a scoped thread.

use biglock::{Backend, Guard, Lock};

fn require_send<T: Send>(_: T) {}

fn help<L: Lock<Backend: Backend<Held: Send>>>(guard: &mut Guard<'_, L>) {
    require_send(|| guard.unlocked(|_| ())); //~ E0277 sent
}

fn main() {}
