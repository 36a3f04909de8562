//! claim: lock.release-is-exclusive
//! Releases the lock through a guard that promises to keep it.

use bql::BqlGuard;

fn pause(bql: &BqlGuard<'_>) {
    bql.unlocked(|_| ()); //~ E0596
}

fn main() {}
