//! The turn to use the one global of this process.

use std::sync::{Mutex, MutexGuard};

use crate::machine::lock;

/// Waits for the turn of this test, which ends with what is returned: one migration object at a time.
/// A test that counts the panics of the process relies on it too.
pub fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    lock(&TURN)
}
