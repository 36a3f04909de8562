//! Says which compile-fail tests test what they say.
#![forbid(unsafe_code)]

pub mod copy;
pub mod diagnostic;
pub mod edit;
pub mod mutants;
pub mod parallel;
