//! The outside face of migration for C: QEMU's `include/migration/misc.h` and `blocker.h`.
//!
//! C has no tokens. What the Rust face asks for in its signatures is asked here at each call:
//! a function that needs the big lock looks whether the calling thread holds it, and if not
//! it ends the process with one sentence that names the function. So C code is told at once,
//! in every run, what it would else learn from a race.
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
//! A pointer from C is trusted to be what the header says; nobody can check that. It is used
//! during the call and not kept, but for two: a notifier, whose address is given back to its
//! function, and what a `new` of this crate returned, which its owner frees. Texts are copied.
//!
//! # Panics
//!
//! None crosses into C: `boundary` ends the process with a sentence.
//!
//! # Alternatives
//!
//! In Rust the crate [`migration`]. There is nothing here for Rust: these functions would let it
//! past the borrow checker.
// What C calls is `pub` for cbindgen, in private modules so that Rust cannot call it.
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
