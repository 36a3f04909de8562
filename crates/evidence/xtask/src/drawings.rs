//! The drawings of `docs/img` that are made from the code.

use std::path::PathBuf;

use engine::Direction;

use crate::error::PartError;
use crate::{rooms, statuses, workspace};

/// Returns each drawing's file and text.
///
/// # Errors
///
/// If what a drawing shows cannot be read, or has no place in it.
pub fn drawings() -> Result<Vec<(PathBuf, String)>, PartError> {
    let img = workspace::root().join("docs/img");
    Ok(vec![
        (img.join("statuses-outgoing.svg"), statuses::svg(Direction::Outgoing)?),
        (img.join("statuses-incoming.svg"), statuses::svg(Direction::Incoming)?),
        (img.join("rooms.svg"), rooms::svg()?),
    ])
}
