//! claim: lock.read-ends-with-the-lock
//! Calls each notifier of a guarded list while it iterates over the list.

use bql::{BqlGuard, BqlGuarded};

type Notify = fn(&mut BqlGuard<'_>);
static LIST: BqlGuarded<Vec<Notify>> = BqlGuarded::new(Vec::new());

fn fire(bql: &mut BqlGuard<'_>) {
    for notify in LIST.borrow(bql).clone().iter() {
        notify(bql);
    }
}

fn main() {}
