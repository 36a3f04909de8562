//! claim: face.notifiers-give-the-lock-back
//! Keeps a guard of a notifier in a cell, to ask again when the BQL is somebody else's.
use std::cell::Cell;

use migration::Notifier;
use migration::bql::BqlGuard;

thread_local! {
    static KEPT: Cell<Option<BqlGuard<'static>>> = const { Cell::new(None) };
}

fn add(bql: &mut BqlGuard<'_>) -> Notifier {
    migration::add_notifier(bql, |bql, _| {
        bql.unlocked(|thread| KEPT.set(Some(thread.lock()))); //~ E0521
        Ok(())
    })
}

fn main() {}
