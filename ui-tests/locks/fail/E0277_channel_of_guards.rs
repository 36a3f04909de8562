//! claim: lock.tokens-stay-on-their-thread
//! Offers guards to other threads through a channel.

use std::sync::mpsc;

use biglock::{Backend, Guard, Lock};

fn require_send<T: Send>(_: T) {}

fn offer<L: Lock<Backend: Backend<Held: Send>>>(guard: Guard<'_, L>) {
    let (sender, receiver) = mpsc::channel();
    sender.send(guard).ok();
    require_send(receiver); //~ E0277 sent
}

fn main() {}
