//! Backends over the raw mutexes of `lock_api`.
//!
//! Its versions 0.4 and 0.5 have different traits, and a mutex has those of one: `spin`,
//! `tracing-mutex` and parking_lot 0.12 of 0.4, parking_lot 0.13 of 0.5.

#[cfg(feature = "std")]
mod signals;
/// What `signals` is made of; tests/loom.rs has loom's.
#[cfg(feature = "std")]
use std::sync;

#[cfg(feature = "lock_api")]
pub mod lock_api;
#[cfg(feature = "lock_api_0_5")]
pub mod lock_api_0_5;

// Not in `signals`, since loom has no such wait.
#[cfg(feature = "std")]
impl signals::Signals {
    /// Waits for a notification after the one that was `seen`, but no longer than `limit`. Returns
    /// `true` if it timed out.
    fn wait_timeout(&self, seen: signals::Seen, limit: core::time::Duration) -> bool {
        let wait = self.changed.wait_timeout_while(self.count(), limit, |count| *count == seen.0);
        wait.unwrap_or_else(sync::PoisonError::into_inner).1.timed_out()
    }
}
