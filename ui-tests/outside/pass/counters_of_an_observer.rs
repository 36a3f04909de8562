//! claim: face.observer-only-reads
//! Changes the counters inside the test that an observer's wait asks.
use std::time::Duration;

use migration::bql::BqlUnlocked;
use migration::Observer;

fn wait(observer: &Observer, thread: &mut BqlUnlocked) {
    observer.wait(thread, Duration::ZERO, |status, info| {
        let _ = info.remaining;
        status.is_terminal()
    });
}

fn main() {}
