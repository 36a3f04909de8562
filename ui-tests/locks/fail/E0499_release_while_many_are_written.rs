//! claim: lock.many-end-with-the-lock
//! Releases the lock while two values are written at once.

use bql::{BqlGuard, BqlGuarded};

static FROM: BqlGuarded<u32> = BqlGuarded::new(1);
static TO: BqlGuarded<u32> = BqlGuarded::new(0);

fn move_one(bql: &mut BqlGuard<'_>) {
    let [from, to] = bql.borrow_many_mut([&FROM, &TO]).unwrap();
    bql.unlocked(|_thread| ()); //~ E0499
    (*from, *to) = (*from - 1, *to + 1);
}

fn main() {}
