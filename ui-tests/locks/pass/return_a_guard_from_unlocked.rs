//! claim: lock.no-guard-leaves-the-closure
//! Returns the guard that it made inside `unlocked`.

use bql::BqlGuard;

fn escape(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| drop(thread.lock()));
}

fn main() {}
