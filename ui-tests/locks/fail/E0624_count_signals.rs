//! claim: lock.conditions-keep-their-parts
//! Locks the count of notifications: a thread that holds it keeps those that notify waiting.

use biglock::Signals;

fn wake(signals: &Signals) {
    drop((signals.count(), signals.notify_all())); //~ E0624 count
}

fn main() {}
