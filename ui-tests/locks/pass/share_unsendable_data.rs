//! claim: lock.data-is-send
//! Shares a guarded value that may not leave its thread.

use std::sync::Arc;

use bql::BqlGuarded;

fn require_send<T: Send>(_: T) {}

fn main() {
    let page: usize = std::ptr::null_mut::<u8>().addr();
    let shared = Arc::new(BqlGuarded::new(page));
    require_send(shared);
}
