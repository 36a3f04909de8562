//! claim: lock.release-is-exclusive
//! Calls a notifier, which may release the lock, from code that must keep it.

use bql::BqlGuard;

fn fire(notify: &dyn Fn(&mut BqlGuard<'_>), bql: &BqlGuard<'_>) {
    notify(bql); //~ E0308
}

fn main() {}
