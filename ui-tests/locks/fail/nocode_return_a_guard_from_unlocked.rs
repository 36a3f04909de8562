//! claim: lock.no-guard-leaves-the-closure
//! Returns the guard that it made inside `unlocked`.

use bql::BqlGuard;

fn escape(bql: &mut BqlGuard<'_>) {
    drop(bql.unlocked(|thread| thread.lock())); //~ nocode
}

fn main() {}
