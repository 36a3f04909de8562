//! claim: lock.tokens-stay-on-their-thread
//! Moves a guard to another thread, which would hold the lock there.

use biglock::{Backend, Guard, Lock};

fn require_send<T: Send>(_: T) {}

fn give<L: Lock<Backend: Backend<Held: Send>>>(guard: Guard<'_, L>, held: <L::Backend as Backend>::Held) {
    require_send(guard); //~ E0277 sent
    drop(held);
}

fn main() {}
