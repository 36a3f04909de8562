//! claim: lock.writes-are-exclusive
//! Reads a value while it is written together with another one.

use bql::{BqlGuard, BqlGuarded};

static NAME: BqlGuarded<String> = BqlGuarded::new(String::new());
static RUNS: BqlGuarded<u32> = BqlGuarded::new(0);

fn name(bql: &mut BqlGuard<'_>) {
    let (name, _) = bql.borrow_many_mut((&NAME, &RUNS)).unwrap();
    let runs = *RUNS.borrow(bql); //~ E0502
    name.push_str(&runs.to_string());
}

fn main() {}
