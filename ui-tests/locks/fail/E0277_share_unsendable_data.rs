//! claim: lock.data-is-send
//! Shares a guarded value that may not leave its thread.

use std::sync::Arc;

use bql::BqlGuarded;

fn require_send<T: Send>(_: T) {}

fn main() {
    let page: *mut u8 = std::ptr::null_mut();
    let shared = Arc::new(BqlGuarded::new(page));
    require_send(shared); //~ E0277 sent
}
