//! A step of the worked example: the first whole, each later one by what it changes.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::error::PartError;
use crate::link::{link, read};
use crate::workspace;

/// How many steps there are.
pub const STEPS: usize = 7;

/// The source of a step, counted from 1.
pub fn source(step: usize) -> PathBuf {
    workspace::root().join(format!("crates/evidence/xtask/examples/recorder-{step}.rs"))
}

/// A step, as a page shows it.
pub(crate) fn text(step: usize, page: &Path) -> Result<String, PartError> {
    let file = source(step);
    let now = read(&file)?;
    let link = link(&file, page);
    if step == 1 {
        return Ok(format!("{link}:\n\n```rust,ignore\n{}\n```\n", now.trim_end()));
    }
    let before = read(&source(step - 1))?;
    let diff = TextDiff::from_lines(&before, &now);
    let changes = diff.unified_diff().context_radius(1).to_string();
    Ok(format!("{link}:\n\n```diff\n{}\n```\n", changes.trim_end()))
}
