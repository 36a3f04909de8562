//! claim: lock.data-is-send
//! Hides a guard of the standard library under the lock, to unlock it elsewhere.

use std::sync::MutexGuard;

use bql::BqlGuarded;

fn require_sync<T: Sync>(_: T) {}

fn hide(guard: MutexGuard<'_, ()>) {
    require_sync(BqlGuarded::new(*guard));
}

fn main() {}
