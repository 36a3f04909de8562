//! The outside face of live migration: with real threads, against peers that the tests play.
//!
//! The face has one global, so the tests take turns, and one that fails leaves it free.

mod gate;
mod lifecycle;
mod machines;
mod off_the_lock;
mod property;
mod regressions;
mod turn;
