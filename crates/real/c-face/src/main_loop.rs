//! The lock for C: `include/qemu/main-loop.h`. With the feature `c-lock` C brings its own.

/// Waits for the big lock and takes it. It is not recursive. It works to the end of a thread that
/// the program made, in destructors of pthread keys and in functions given to atexit too; that such
/// a destructor gives the lock back nobody checks. At the end of a thread of this library, on
/// which a notifier ran, it ends the process.
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

/// Whether the calling thread holds the big lock; also true in a function that Rust calls with
/// the lock held.
#[cfg(not(feature = "c-lock"))]
#[unsafe(no_mangle)]
pub extern "C" fn bql_locked() -> bool {
    crate::boundary::entry("bql_locked", crate::lock::is_locked)
}
