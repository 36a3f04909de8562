//! claim: lock.marker-names-the-lock
//! Writes data of one lock with a part of another lock's guard.

use biglock::{Guard, Guarded, Lock};

fn write<L: Lock, M: Lock>(one: &mut Guard<'_, L>, other: &Guarded<u32, M>, own: &Guarded<u32, L>) {
    let (_, mut access) = one.split();
    *access.borrow_mut(other) += 1; //~ E0308
    let _ = (other, own);
}

fn main() {}
