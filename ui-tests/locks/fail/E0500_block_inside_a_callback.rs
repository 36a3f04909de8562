//! claim: lock.blocking-needs-the-lock-let-go
//! Captures the outer token in a callback that runs with the lock held.

use bql::{BqlGuard, BqlUnlocked};

fn flush(_thread: &mut BqlUnlocked) {}
fn with_each(bql: &mut BqlGuard<'_>, mut visit: impl FnMut(&mut BqlGuard<'_>)) {
    visit(bql);
}

fn finish(thread: &mut BqlUnlocked) {
    with_each(&mut thread.lock(), |_| flush(thread)); //~ E0500
}

fn main() {}
