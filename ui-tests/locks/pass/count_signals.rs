//! claim: lock.conditions-keep-their-parts
//! Locks the count of notifications: a thread that holds it keeps those that notify waiting.

use biglock::Signals;

fn wake(signals: &Signals) {
    signals.notify_all();
}

fn main() {}
