//! Generates the parts of `docs/` that quote or list the code, and reads the workspace for its
//! tests.
//!
//! A page of `docs/` is plain Markdown, and reads well where it stands. What it quotes or
//! lists of the code is put between two marks by `cargo xtask book`:
//!
//! ```text
//! <!-- begin case locks/E0502_read_across_unlocked -->
//! …
//! <!-- end -->
//! ```
//!
//! The first word after `begin` says what goes there ([`Part`]); the drawings are files of their
//! own ([`drawings`]). A test generates everything again and compares, so that nothing is stale;
//! another (`examples`) compiles and runs the other code of the pages. [`site`] builds the pages
//! for a browser.

#![forbid(unsafe_code)]

mod case;
mod drawings;
mod error;
mod evidence;
pub mod examples;
mod link;
mod links;
mod page;
mod part;
pub mod rooms;
pub mod site;
mod statuses;
mod step;
mod svg;
pub mod workspace;

pub use drawings::drawings;
pub use error::{PageError, PartError};
pub use links::{Link, dead, links};
pub use page::{pages, refilled};
pub use part::Part;
pub use step::{STEPS, source};

/// The example of the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../../README.md")]
struct Readme;
