//! The signal of a write that nobody reads.

use std::mem::MaybeUninit;
use std::ptr;

/// A peer that has gone is an error of the calling thread's write, and not the end of the process.
/// The signal comes to the thread that writes, and stays pending there until the thread is no
/// more. Rust's `main` ignores it in the whole process; a C program need not. A command that the
/// thread starts later would inherit this.
pub(crate) fn hold_back_sigpipe() {
    let mut signals = MaybeUninit::uninit();
    // SAFETY: it makes an empty set of what is room for one.
    unsafe { libc::sigemptyset(signals.as_mut_ptr()) };
    // SAFETY: that set is there now.
    unsafe { libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE) };
    // SAFETY: as above; and the mask is that of this thread alone, which the engine has started.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), ptr::null_mut()) };
}
