//! claim: lock.conditions-keep-their-parts
//! Reaches a part of a condition variable that goes with any lock, and could wait with a mutex of its
//! own.

use biglock::Signals;

fn wake(signals: &Signals) {
    drop((&signals.changed, signals.notify_all())); //~ E0616 changed
}

fn main() {}
