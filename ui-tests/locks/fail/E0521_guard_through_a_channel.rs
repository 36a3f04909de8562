//! claim: lock.no-guard-leaves-the-closure
//! Sends the inner guard out of the closure through a channel.

use std::sync::mpsc;

use bql::BqlGuard;

fn escape(bql: &mut BqlGuard<'_>) {
    let (sender, receiver) = mpsc::channel();
    bql.unlocked(|thread| {
        sender.send(thread.lock()).ok(); //~ E0521
        drop(receiver);
    });
}

fn main() {}
