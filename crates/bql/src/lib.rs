//! QEMU's big lock (BQL) as a type: `include/qemu/main-loop.h`, `bql_lock` and its kin.
//!
//! Everything here is [`biglock`] with the lock named: a function that takes [`&BqlGuard`]
//! runs with the BQL held, one that takes [`&mut BqlGuard`] may release it in between, one
//! that takes [`&mut BqlUnlocked`] runs without it.
//!
//! [`&BqlGuard`]: BqlGuard
//! [`&mut BqlGuard`]: BqlGuard
//! [`&mut BqlUnlocked`]: BqlUnlocked
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub use biglock::AttachError;
use biglock::{Condvar, Guard, Guarded, Lock, StdMutex, Unlocked};

static BQL: StdMutex = StdMutex::new();

/// The marker of the big QEMU lock.
#[derive(Debug)]
pub enum Bql {}

impl Lock for Bql {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = &BQL;
}

/// This thread holds the BQL.
pub type BqlGuard<'t> = Guard<'t, Bql>;

/// This thread does not hold the BQL and may block.
pub type BqlUnlocked = Unlocked<Bql>;

/// Data that the BQL protects.
pub type BqlGuarded<T> = Guarded<T, Bql>;

/// A condition to wait for with the BQL.
pub type BqlCondvar = Condvar<Bql>;
