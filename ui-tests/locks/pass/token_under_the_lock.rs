//! claim: lock.data-is-send
//! Hides a token under the lock, for another thread to take out.

use biglock::{Backend, Guarded, Lock, Unlocked};
use bql::Bql;

fn require_sync<T: Sync>(_: T) {}

fn hide<L: Lock<Backend: Backend<Held: Send>>>(thread: Unlocked<L>, held: <L::Backend as Backend>::Held) {
    require_sync(Guarded::<_, Bql>::new(held));
    drop(thread);
}

fn main() {}
