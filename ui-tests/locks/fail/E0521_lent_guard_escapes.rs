//! claim: lock.foreign-entry-is-unsafe
//! Keeps the lent guard beyond the call.

use biglock::{Foreign, Guard, Lock};

fn enter<L: Lock<Backend: Foreign>>() {
    let mut kept: Option<&mut Guard<'_, L>> = None;
    unsafe {
        Guard::<L>::lend(|guard| {
            kept.replace(guard).is_some() //~ E0521
        })
    };
}

fn main() {}
