//! claim: lock.conditions-keep-their-parts
//! Reaches a part of a condition variable that goes with any lock: a thread that holds it keeps
//! those that notify waiting.

use biglock::Signals;

fn wake(signals: &Signals) {
    signals.notify_all();
}

fn main() {}
