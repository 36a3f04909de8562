//! Tokens for one big lock: the type of a thread's token says whether the thread holds it.
//!
//! A big lock (QEMU's BQL, Python's GIL, an old kernel's giant lock) protects a whole
//! world of state, and most of the code around it never mentions it. The rule *hold the
//! lock here*, or *do not hold it here*, then lives in comments. This crate moves the rule
//! into signatures:
//!
//! | a function takes | it says |
//! | --- | --- |
//! | `&Guard<L>` | the lock is held and stays held |
//! | `&mut Guard<L>` | held on entry and on exit, may be released in between |
//! | `&mut Unlocked<L>` | not held: may block, do I/O, join a thread |
//! | neither | does not care |
//!
//! ```
//! use biglock::{Guarded, Lock, StdMutex, Unlocked};
//!
//! static MUTEX: StdMutex = StdMutex::new();
//! enum Big {}
//! impl Lock for Big {
//!     type Backend = StdMutex;
//!     const LOCK: &'static StdMutex = &MUTEX;
//! }
//!
//! static RUNS: Guarded<u32, Big> = Guarded::new(0);
//!
//! let mut thread = Unlocked::<Big>::attach().expect("first attach of this thread");
//! let mut guard = thread.lock();
//! *RUNS.borrow_mut(&mut guard) += 1;
//! guard.unlocked(|thread| {
//!     // Not held here: block, sleep, or lock again for a while.
//!     assert_eq!(*RUNS.borrow(&thread.lock()), 1);
//! });
//! ```
//!
//! # Why it looks like this
//!
//! * **Two tokens, not one.** A guard alone proves *held*. Code that must not hold the lock
//!   (network I/O, joining a thread) needs a proof too: [`Unlocked`]. Each thread has one, and
//!   [`Guard`] borrows it mutably: while a guard lives, locking again and blocking are borrow
//!   errors.
//! * **Release is `&mut`.** [`Guard::unlocked`] and [`Condvar::wait`] take `&mut Guard`, so
//!   every borrow of guarded data ends before the lock is released. The closure needs no `Send`
//!   bound.
//! * **One marker, one lock, without `unsafe`.** [`Lock::LOCK`] is a constant. A constant can
//!   name a `static`, and the compiler refuses one that would make a mutex of its own, so
//!   a marker type always stands for the same lock.
//! * **No run-time flag.** [`Guarded`] hands out `&T` for `&Guard` and `&mut T` for
//!   `&mut Guard`. Two guarded values that change together belong in one [`Guarded`]; others are
//!   written at once with [`Guard::borrow_many_mut`].
//!
//! # Panics and leaks
//!
//! Unwinding out of `unlocked` or out of a wait takes the lock again before other code can see
//! the guard. Nothing is poisoned: a panic with the lock held releases it.
//!
//! So `catch_unwind` takes an [`Unlocked`], a [`Condvar`] and a [`Holding`] as they are: a panic
//! leaves each in a state that it may always have. It takes a [`Guard`], an [`Access`] or a
//! [`Guarded`] only in an `AssertUnwindSafe`: the data may be half written, and no flag says so.
//!
//! A leaked guard (`mem::forget`) keeps the lock; the thread's next `lock` adopts it, and
//! the end of its [`Unlocked`] releases it. See [`Guard`].
//!
//! # When it does not compile
//!
//! | the compiler says | do this |
//! | --- | --- |
//! | there is no `new` for a [`Guard`] (E0599) | [attach](Unlocked::attach) where the thread begins, then [`lock`](Unlocked::lock) |
//! | the borrowed object must outlive `'static` (E0521, E0597) | give the thread an `Arc`; `Exported::share` takes a count |
//! | the guard in a struct refers to a local token (E0515) | keep the token in the thread's first function, and pass the guard as an argument |
//! | `&mut Guard` expected, `&Guard` found (E0308) | take `&mut Guard`: the callee writes, or releases the lock |
//! | `&mut Unlocked` expected, a guard found (E0308) | call it inside [`unlocked`](Guard::unlocked): it may block |
//! | borrowed twice, at `lock` or beside it (E0499) | drop the first guard, or use it |
//! | a read is still borrowed (E0502) | read after the release; [`split`](Guard::split) to read and write at once |
//! | `TokenStaysOnItsThread` cannot be sent or shared (E0277) | attach in the other thread |
//!
//! The page *The compiler says … do this* of the project shows the lines to write instead.
//!
//! # Alternatives
//!
//! `critical-section` and PyO3 prove *held* by a token that can be copied, and so cannot tie
//! a read to the moment of release. `qcell` and `ghost-cell` separate data from permission
//! like this crate, without a lock. `lock_api` ties the data to the mutex, which suits small
//! locks better than a big one.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

pub mod attached;
mod backend;
mod condvar;
#[cfg(feature = "critical-section")]
mod critical_section;
mod fair;
mod foreign;
mod guarded;
mod many;
#[cfg(any(feature = "lock_api", feature = "lock_api_0_5"))]
mod raw;
#[cfg(feature = "std")]
mod signals;
mod split;
#[cfg(feature = "std")]
mod std_mutex;
mod thread;
#[cfg(feature = "trace")]
pub mod trace;
mod try_lock;
mod unwind;

pub use backend::{AttachError, Backend, FromTokens, Lock, Wait};
pub use condvar::Condvar;
#[cfg(feature = "critical-section")]
pub use critical_section::CriticalSection;
pub use fair::Fair;
pub use foreign::Foreign;
pub use guarded::Guarded;
pub use many::{Cells, SameCell};
#[cfg(any(feature = "lock_api", feature = "lock_api_0_5"))]
pub use raw::*;
#[cfg(feature = "std")]
pub use signals::Signals;
pub use split::{Access, Holding};
#[cfg(feature = "std")]
pub use std_mutex::StdMutex;
pub use thread::{Guard, Unlocked};
pub use try_lock::{Timed, TryLock};

use core::marker::PhantomData;
/// What `signals` is made of; tests/loom.rs has loom's.
#[cfg(feature = "std")]
use std::sync;

/// Keeps a type on its thread. It is an array and not a `PhantomData` of a pointer, so that the
/// compiler's notes stop in this crate and its headline names the reason.
#[derive(Clone, Copy)]
struct NotSendSync {
    _pointers: [*const dyn TokenStaysOnItsThread; 0],
}

/// Says in the compiler's words why a token cannot be sent or shared.
trait TokenStaysOnItsThread {}

impl NotSendSync {
    const NEW: Self = NotSendSync { _pointers: [] };
}

/// Makes a type invariant in `L`, so that a token of one marker is not accepted for another.
struct Brand<L>(PhantomData<fn(L) -> L>);

impl<L> Clone for Brand<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L> Copy for Brand<L> {}

impl<L> Brand<L> {
    const NEW: Self = Brand(PhantomData);
}
