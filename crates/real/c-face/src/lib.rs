//! The outside face of migration for C: QEMU's `include/migration/misc.h` and `blocker.h`.
//!
//! C has no tokens. What the Rust face requires in its signatures, this crate checks at each call:
//! a function that needs the big lock checks that the calling thread holds it. If not, it prints a
//! message that names the function and aborts the process. So a mistake in C code shows at once, in
//! every run, and not as a rare race.
//!
//! ```c
//! bql_lock();
//! if (!migration_is_running()) { ... }
//! bql_unlock();
//! ```
//!
//! The header is `include/lastref.h`, generated from the functions in this crate; whole programs
//! are in `tests/c`.
//!
//! # Whose lock
//!
//! By default the lock is Rust's, and `bql_lock`, `bql_unlock` and `bql_locked` are exported
//! for C. With the feature `c-lock` they are the C program's, and imported. All that differs
//! is in `lock`.
//!
//! # Pointers
//!
//! A pointer from C is trusted to be what the header says, because it cannot be checked. It is used
//! during the call and not kept, with two exceptions: a notifier, whose address is passed to its
//! function, and the result of a `new` of this crate, which its owner frees. Texts are copied.
//!
//! # Panics
//!
//! No panic crosses into C: `boundary` prints a message and aborts the process.
//!
//! # Alternatives
//!
//! In Rust use the crate [`migration`]. This crate exports nothing to Rust, because its functions
//! would bypass the borrow checker.
// The functions for C are `pub` for cbindgen, in private modules so that Rust cannot call them.
#![allow(unreachable_pub)]

mod blocker;
mod boundary;
mod command;
mod error;
mod lock;
mod machine;
mod main_loop;
mod misc;
mod notifier;
mod object;
mod observer;
