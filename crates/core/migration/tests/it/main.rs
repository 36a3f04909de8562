//! The outside face of live migration: with real threads, against peers that the tests play.
//!
//! The face has one global, so the tests take turns.

mod gate;
mod lifecycle;
mod machines;
mod off_the_lock;
mod property;
mod regressions;
