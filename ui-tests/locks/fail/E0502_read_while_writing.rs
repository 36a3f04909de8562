//! claim: lock.writes-are-exclusive
//! Reads a value while a mutable borrow of it is in use.

use bql::{BqlGuard, BqlGuarded};

static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn bump(bql: &mut BqlGuard<'_>) {
    let runs = RUNS.borrow_mut(bql);
    println!("{}", RUNS.borrow(bql)); //~ E0502
    *runs += 1;
}

fn main() {}
