//! Says which compile-fail tests of a crate test what they say.
//!
//! A test that a program must *not* compile passes when it fails for any reason at all: a `use`
//! was forgotten, a method was renamed, a bracket is astray. The runner prints `ok`. Verification
//! engineers call such a test vacuous.
//!
//! * [`check`] finds the `compile_fail` documentation tests and the cases of trybuild and
//!   `ui_test`, compiles each as its runner would, and judges the compiler's errors.
//! * [`lock`] keeps what was believed, so that a later run notices when a case begins to fail for
//!   another reason.
//! * [`mutants`] changes declarations, and asks whether any case notices.
//!
//! The crate is the program `cargo vacuity`; what is public is what a harness with an oracle of its
//! own can use of it.
#![forbid(unsafe_code)]

mod check;
mod collect;
pub mod copy;
pub mod diagnostic;
mod doctest;
pub mod edit;
mod error;
pub mod lock;
pub mod mutants;
mod names;
pub mod parallel;
mod program;
mod repair;
pub mod report;
mod rules;
mod source;
mod stand_in;
mod tools;
mod verdict;
mod workspace;

pub use check::{Report, Tell, check};
pub use error::Error;
pub use stand_in::played;
pub use verdict::{Finding, Judged, Repair, Verdict};
pub use workspace::Selection;
