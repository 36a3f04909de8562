//! claim: lock.conditions-keep-their-parts
//! Reaches a part of a condition variable that goes with any lock: a thread that holds it keeps
//! those that notify waiting.

use biglock::Signals;

fn wake(signals: &Signals) {
    drop((&signals.count, signals.notify_all())); //~ E0616 count
}

fn main() {}
