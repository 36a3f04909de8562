//! Mutexes of `lock_api` 0.5 as the big lock: of parking_lot 0.13. It needs Rust 1.95.
//!
//! ```
//! use std::time::Duration;
//!
//! use biglock::attached::ByThreadLocal;
//! use biglock::lock_api_0_5::RawLock;
//! use biglock::{Lock, Unlocked};
//!
//! type Backend = RawLock<parking_lot::Mutex<()>, ByThreadLocal>;
//! static LOCK: Backend = RawLock::new();
//! enum Big {}
//! impl Lock for Big {
//!     type Backend = Backend;
//!     const LOCK: &'static Backend = &LOCK;
//! }
//!
//! let mut thread = Unlocked::<Big>::attach()?;
//! let mut guard = thread.lock_timeout(Duration::from_secs(1)).expect("nobody else");
//! guard.bump(); // who waits longest has its turn
//! guard.unlock_fair();
//! # Ok::<(), biglock::AttachError>(())
//! ```
use ::lock_api_0_5 as lock_api;

#[allow(clippy::duplicate_mod, reason = "one text for each version")]
#[path = "backend.rs"]
mod backend;

pub use backend::{Place, RawLock};

use crate::attached::Attached;
use crate::{Foreign, FromTokens};

// SAFETY: a guard with this state has no other, and only its drop releases the mutex.
unsafe impl<M, A: Attached> Foreign for RawLock<M, A>
where
    M: Place<Raw: lock_api::RawMutex<Guard = lock_api::GuardNoSend>>,
{
    unsafe fn assume_held(&'static self) -> Self::Held {
        let state = lock_api::GuardNoSend::new();
        // SAFETY: the calling thread holds the mutex.
        unsafe { self.mutex(FromTokens::NEW).make_guard_unchecked(state) }
    }
}
