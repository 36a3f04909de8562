//! The lock for C: `include/qemu/main-loop.h`. With the feature `c-lock` C brings its own.

/// Waits for the big lock and takes it. The lock is not recursive. On a thread that the program
/// made this works until the thread's end, also in destructors of pthread keys and in functions
/// passed to atexit; the library does not check that such a destructor releases the lock. At the
/// end of a thread of this library, on which a notifier ran, it aborts the process.
#[cfg(not(feature = "c-lock"))]
#[unsafe(no_mangle)]
pub extern "C" fn bql_lock() {
    crate::boundary::entry("bql_lock", || crate::lock::lock("bql_lock"));
}

/// Releases the big lock, which the calling thread holds.
#[cfg(not(feature = "c-lock"))]
#[unsafe(no_mangle)]
pub extern "C" fn bql_unlock() {
    crate::boundary::entry("bql_unlock", || crate::lock::unlock("bql_unlock"));
}

/// Returns whether the calling thread holds the big lock; also true in a function that Rust calls
/// with the lock held.
#[cfg(not(feature = "c-lock"))]
#[unsafe(no_mangle)]
pub extern "C" fn bql_locked() -> bool {
    crate::boundary::entry("bql_locked", crate::lock::is_locked)
}
