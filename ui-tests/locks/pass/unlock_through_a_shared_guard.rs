//! claim: lock.release-is-exclusive
//! Releases the lock through a guard that promises to keep it.

use bql::BqlGuard;

fn pause(bql: &mut BqlGuard<'_>) {
    bql.unlocked(|_| ());
}

fn main() {}
