//! A mutex that watches the order of locks, as the big lock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use biglock::attached::ByThreadLocal;
use biglock::lock_api::RawLock;
use tracing_mutex::lockapi::TracingWrapper;

use crate::{attach, lock};

type Watched = TracingWrapper<parking_lot_0_12::RawMutex>;

lock!(Big, RawLock<parking_lot_0_12::lock_api::Mutex<Watched, ()>, ByThreadLocal>);

/// A lock beside the big one.
static SMALL: parking_lot_0_12::lock_api::Mutex<Watched, ()> =
    parking_lot_0_12::lock_api::Mutex::new(());

#[test]
fn the_wrong_order_panics_and_the_lock_is_free_afterwards() {
    // First the big lock, then the small one.
    let mut thread = attach::<Big>();
    let guard = thread.lock();
    drop(SMALL.lock());
    drop(guard);

    let small = SMALL.lock();
    let refused = catch_unwind(AssertUnwindSafe(|| drop(thread.lock())));
    assert!(refused.is_err(), "the small lock, then the big one: a cycle");
    drop(small);

    // The token is what it was: a thread without the lock.
    drop(thread.lock());
    thread::spawn(|| drop(attach::<Big>().lock())).join().expect("the lock is free");
}
