//! claim: lock.marker-names-the-lock
//! Writes two values at once, of which one belongs to another lock.

use biglock::{Guard, Guarded, Lock};

fn both<L: Lock, M: Lock>(one: &mut Guard<'_, L>, own: [&Guarded<u32, L>; 2], other: &Guarded<u32, M>) {
    let (mine, yours) = one.borrow_many_mut((own[0], other)).unwrap(); //~ E0277 values
    *mine += *yours;
    let _ = own[1];
}

fn main() {}
