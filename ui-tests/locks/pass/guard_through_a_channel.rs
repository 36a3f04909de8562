//! claim: lock.no-guard-leaves-the-closure
//! Sends the inner guard out of the closure through a channel.

use std::sync::mpsc;

use bql::BqlGuard;

fn escape(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| {
        let (sender, receiver) = mpsc::channel();
        sender.send(thread.lock()).ok();
        drop(receiver);
    });
}

fn main() {}
