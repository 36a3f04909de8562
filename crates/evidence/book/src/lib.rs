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
//! The first word after `begin` says what goes there ([`Part`]); the drawings are files of their
//! own ([`drawings`]). A test makes everything anew and compares, so that nothing is stale;
//! another (`examples`) compiles and runs the other code of the pages. [`site`] builds the pages
//! for a browser.

#![forbid(unsafe_code)]

mod case;
mod drawing;
mod evidence;
pub mod examples;
mod layered;
mod link;
mod links;
mod page;
mod part;
pub mod rooms;
pub mod site;
mod statuses;
mod step;

pub use links::{Link, dead, links};
pub use page::{PageError, pages, refilled};
pub use part::{Part, PartError};
pub use step::{STEPS, source};

use std::path::{Path, PathBuf};

use engine::Direction;

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here).to_owned()
}

/// The drawings of `docs/img`: each file and its text.
///
/// # Errors
///
/// If what one of them shows is not there.
pub fn drawings() -> Result<Vec<(PathBuf, String)>, PartError> {
    let img = workspace().join("docs/img");
    Ok(vec![
        (img.join("statuses-outgoing.svg"), statuses::svg(Direction::Outgoing)),
        (img.join("statuses-incoming.svg"), statuses::svg(Direction::Incoming)),
        (img.join("rooms.svg"), rooms::svg()?),
    ])
}
