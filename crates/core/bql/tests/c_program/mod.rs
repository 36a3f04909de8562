//! The lock of a C program, played by Rust: what the feature `c-lock` asks the linker for.

use std::cell::Cell;
use std::sync::{Condvar, Mutex};

/// Whether somebody has the lock.
static TAKEN: Mutex<bool> = Mutex::new(false);
static RELEASED: Condvar = Condvar::new();

thread_local! {
    static MINE: Cell<bool> = const { Cell::new(false) };
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn bql_lock() {
    let taken = TAKEN.lock().expect("nobody panics with it");
    let mut taken = RELEASED.wait_while(taken, |taken| *taken).expect("nobody panics with it");
    *taken = true;
    MINE.set(true);
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn bql_unlock() {
    MINE.set(false);
    *TAKEN.lock().expect("nobody panics with it") = false;
    RELEASED.notify_one();
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn bql_locked() -> bool {
    MINE.get()
}
