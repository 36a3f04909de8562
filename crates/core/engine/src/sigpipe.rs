//! Blocking of SIGPIPE, the signal of a write that no process reads.

use std::mem::MaybeUninit;
use std::ptr;

/// Blocks SIGPIPE on the calling thread, so that a closed peer is an error of the write and does
/// not end the process.
///
/// The signal is directed at the writing thread, and stays pending there until the thread ends.
/// Rust's `main` ignores it in the whole process; a C program may not. A command that the thread
/// starts later would inherit the mask.
pub(crate) fn hold_back_sigpipe() {
    let mut signals = MaybeUninit::uninit();
    // SAFETY: the call initialises the set that there is room for.
    unsafe { libc::sigemptyset(signals.as_mut_ptr()) };
    // SAFETY: the call before has initialised the set.
    unsafe { libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE) };
    // SAFETY: the set is initialised, as above; and the call changes only the mask of this thread,
    // which the engine has started.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), ptr::null_mut()) };
}
