//! What is generated in `docs/`.
//!
//! A page of `docs/` is plain Markdown, and reads well where it stands. What it quotes or
//! lists of the code is put between two marks by `cargo run -p lastref-book`:
//!
//! ```text
//! <!-- begin case locks/E0502_read_across_unlocked -->
//! …
//! <!-- end -->
//! ```
//!
//! The first word after `begin` says what goes there ([`Part`]). A test makes every part anew and
//! compares, so that none is stale; another (`examples`) compiles and runs the other code of the pages.

#![forbid(unsafe_code)]

mod case;
pub mod examples;
mod page;
mod part;
mod step;

pub use page::{PageError, pages, refilled};
pub use part::{Part, PartError};
pub use step::{STEPS, source};

use std::path::{Path, PathBuf};

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}
