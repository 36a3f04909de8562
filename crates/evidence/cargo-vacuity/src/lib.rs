//! What a harness of compile-fail tests with an oracle of its own can use of `cargo vacuity`, which
//! is the program of this package.
//!
//! * [`diagnostic`] reads the compiler's errors as JSON.
//! * [`edit`] changes a text, and proves that the change landed.
//! * [`copy`] keeps a copy of a workspace up to date, to try changes in.
//! * [`parallel`] works on all processors.
#![forbid(unsafe_code)]

pub mod copy;
pub mod diagnostic;
pub mod edit;
pub mod parallel;
