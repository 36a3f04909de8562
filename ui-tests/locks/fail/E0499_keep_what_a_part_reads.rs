//! claim: export.read-while-writing
//! Keeps the object that was read with a part of the guard while the lock is released.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn keep(bql: &mut BqlGuard<'_>) -> usize {
    let object = PLACE.get_while(bql.split().0);
    bql.unlocked(|_thread| ()); //~ E0499
    object.map_or(0, |object| object.len())
}

fn main() {}
