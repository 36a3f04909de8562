//! Backends over the raw mutexes of `lock_api`.
//!
//! Its versions 0.4 and 0.5 have different traits, and a mutex has those of one: `spin`,
//! `tracing-mutex` and parking_lot 0.12 of 0.4, parking_lot 0.13 of 0.5.

#[cfg(feature = "lock_api")]
pub mod lock_api;
#[cfg(feature = "lock_api_0_5")]
pub mod lock_api_0_5;
