//! claim: lock.split-writes-are-exclusive
//! Borrows one value twice with a part of a guard, each time together with another one.

use bql::{BqlAccess, BqlGuarded};

static NAME: BqlGuarded<String> = BqlGuarded::new(String::new());
static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn twice(mut access: BqlAccess<'_>) {
    let (_, one) = access.borrow_many_mut((&NAME, &RUNS)).unwrap();
    *one += 1;
    let (_, other) = access.borrow_many_mut((&NAME, &RUNS)).unwrap();
    *other += 1;
}

fn main() {}
