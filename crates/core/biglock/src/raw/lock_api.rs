//! Mutexes of `lock_api` 0.4 as the big lock: of `spin`, `tracing-mutex`, parking_lot 0.12.
//!
//! ```
//! use biglock::attached::ByThreadLocal;
//! use biglock::lock_api::RawLock;
//! use biglock::{Lock, Unlocked};
//!
//! /// A mutex that old code locks as it always did.
//! static OLD: spin::lock_api::Mutex<()> = spin::lock_api::Mutex::new(());
//!
//! type Backend = RawLock<&'static spin::lock_api::Mutex<()>, ByThreadLocal>;
//! static LOCK: Backend = RawLock::over(&OLD);
//! enum Big {}
//! impl Lock for Big {
//!     type Backend = Backend;
//!     const LOCK: &'static Backend = &LOCK;
//! }
//!
//! let mut thread = Unlocked::<Big>::attach()?;
//! let old = OLD.lock();
//! assert!(thread.try_lock().is_none());
//! drop(old);
//! let guard = thread.lock();
//! assert!(OLD.is_locked());
//! # drop(guard);
//! # Ok::<(), biglock::AttachError>(())
//! ```
use ::lock_api;

#[allow(clippy::duplicate_mod, reason = "one text for each version")]
#[path = "backend.rs"]
mod backend;

pub use backend::{Place, RawLock};

use crate::attached::Attached;
use crate::{Foreign, FromTokens};

// SAFETY: a guard has no state of its own, and only its drop releases the mutex.
unsafe impl<M: Place, A: Attached> Foreign for RawLock<M, A> {
    unsafe fn assume_held(&'static self) -> Self::Held {
        // SAFETY: the calling thread holds the mutex.
        unsafe { self.mutex(FromTokens::NEW).make_guard_unchecked() }
    }
}
