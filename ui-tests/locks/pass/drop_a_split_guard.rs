//! claim: lock.split-keeps-the-lock
//! Drops the guard, and so releases the lock, while a part of it is used.

use bql::{Bql, BqlUnlocked};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

fn late(thread: &mut BqlUnlocked) -> usize {
    let mut bql = thread.lock();
    let (holding, _access) = bql.split();
    let _ = holding;
    PLACE.get_while(holding).map_or(0, |object| object.len())
}

fn main() {}
