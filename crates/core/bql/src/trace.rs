//! Which thread holds the BQL, and which threads held it: [`biglock::trace`] for this lock.
//!
//! It is compiled in only with the feature `trace`, and records nothing until [`start`]. It does
//! not see when C code takes and releases the lock by itself (feature `c-lock`).

pub use biglock::trace::{Hold, Holder};

use crate::BQL;

/// Starts recording which thread holds the BQL, from the next time that it is taken.
pub fn start() {
    BQL.start();
}

/// Stops recording and returns the holds, in the order of the releases. They do not include the
/// current hold, if a thread holds the lock now.
pub fn stop() -> Vec<Hold> {
    BQL.stop()
}

/// Returns the thread that holds the BQL, if it took it since [`start`]. Any thread may ask, with
/// the BQL or without; the answer may be old at once.
pub fn holder() -> Option<Holder> {
    BQL.holder()
}
