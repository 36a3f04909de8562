//! claim: lock.foreign-entry-is-unsafe
//! Keeps the lent guard beyond the call.

use biglock::{Foreign, Guard, Lock};

fn enter<L: Lock<Backend: Foreign>>() {
    unsafe {
        Guard::<L>::lend(|guard| {
            let mut kept: Option<&mut Guard<'_, L>> = None;
            kept.replace(guard).is_some()
        })
    };
}

fn main() {}
