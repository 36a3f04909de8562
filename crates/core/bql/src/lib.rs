//! QEMU's big lock (BQL) as a type: `include/qemu/main-loop.h`, `bql_lock` and its kin.
//!
//! Everything here is [`biglock`] with the lock named: a function that takes [`&BqlGuard`]
//! runs with the BQL held, one that takes [`&mut BqlGuard`] may release it in between, one
//! that takes [`&mut BqlUnlocked`] runs without it.
//!
//! ```no_run
//! use bql::{BqlGuard, BqlGuarded, BqlUnlocked};
//!
//! static DEVICES: BqlGuarded<u32> = BqlGuarded::new(0);
//!
//! // QEMU says in a comment that the BQL is held here.
//! fn plug(bql: &mut BqlGuard<'_>) {
//!     *DEVICES.borrow_mut(bql) += 1;
//! }
//!
//! let mut thread = BqlUnlocked::attach()?;
//! plug(&mut thread.lock());
//! assert_eq!(*DEVICES.borrow(&thread.lock()), 1);
//! # Ok::<(), bql::AttachError>(())
//! ```
//!
//! # Caveats
//!
//! The program chooses whose lock it is; a library leaves that open. By default it is a mutex of
//! this crate. With the feature `c-lock` it is the lock of the C program that this crate is linked
//! into, and the same tokens stand for it; the module `c_lock` lists the duties of that program.
//! With the feature `trace` the module `trace` tells which thread holds the lock, and records which
//! held it and when.
//!
//! # Alternatives
//!
//! [`biglock`], for a lock that is not QEMU's. In QEMU's own Rust crates a `BqlCell` asserts at
//! each access that the lock is held; its signatures do not say that a function releases it.
//!
//! [`&BqlGuard`]: BqlGuard
//! [`&mut BqlGuard`]: BqlGuard
//! [`&mut BqlUnlocked`]: BqlUnlocked
#![cfg_attr(not(feature = "c-lock"), forbid(unsafe_code))]

#[cfg(feature = "c-lock")]
pub mod c_lock;
#[cfg(feature = "trace")]
pub mod trace;

use biglock::Lock;
// Names that the aliases below stand for. The compiler prints a type by a name that the program can
// reach, and of an alias it knows nothing.
pub use biglock::{Access, AttachError, Condvar, Guard, Guarded, Holding, Unlocked};

#[cfg(feature = "c-lock")]
type Own = c_lock::CLock;
#[cfg(not(feature = "c-lock"))]
type Own = biglock::StdMutex;

#[cfg(feature = "trace")]
type Backend = biglock::trace::Traced<Own>;
#[cfg(not(feature = "trace"))]
type Backend = Own;

static BQL: Backend = free();

/// Makes the lock, released.
const fn free() -> Backend {
    #[cfg(feature = "trace")]
    return biglock::trace::Traced::new(Own::new());
    #[cfg(not(feature = "trace"))]
    Own::new()
}

/// The marker of the big QEMU lock.
#[derive(Debug)]
pub enum Bql {}

impl Lock for Bql {
    type Backend = Backend;
    const LOCK: &'static Backend = &BQL;
}

/// The token of a thread that holds the BQL, from [`lock`](Unlocked::lock) of its [`BqlUnlocked`].
/// A function that takes `&mut BqlGuard` may release it in between; one that takes `&BqlGuard` does
/// not.
pub type BqlGuard<'t> = Guard<'t, Bql>;

/// The token of a thread that does not hold the BQL and may block, from
/// [`attach`](Unlocked::attach) at the beginning of the thread.
pub type BqlUnlocked = Unlocked<Bql>;

/// Data that the BQL protects.
pub type BqlGuarded<T> = Guarded<T, Bql>;

/// The right that the BQL stays held, lent by [`Guard::split`].
pub type BqlHolding<'g> = Holding<'g, Bql>;

/// The right to read and write what the BQL protects, lent by [`Guard::split`].
pub type BqlAccess<'g> = Access<'g, Bql>;

/// A condition variable of the BQL.
pub type BqlCondvar = Condvar<Bql>;
