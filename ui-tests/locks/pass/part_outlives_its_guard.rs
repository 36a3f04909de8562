//! claim: lock.split-keeps-the-lock
//! Takes a part of a guard out of the function in which the guard is dropped.

use biglock::Access;
use bql::{Bql, BqlUnlocked};

fn part(thread: &mut BqlUnlocked) -> Option<Access<'_, Bql>> {
    let mut bql = thread.lock();
    let (_holding, access) = bql.split();
    Some(access).and(None)
}

fn main() {}
