//! A change of a text that is proved to have landed.

use std::path::PathBuf;

use serde::Deserialize;

/// An edit that finds its place by the text that stands there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, seen from the workspace.
    pub file: PathBuf,
    /// The text to find, which occurs exactly once.
    pub find: String,
    /// What replaces it.
    pub replace: String,
}

impl Edit {
    /// Returns the edited text of its file.
    ///
    /// # Errors
    ///
    /// If the text to find is not there exactly once.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            n => Err(format!(
                "{}: the text to find occurs {n} times, and must occur once: {:?}",
                self.file.display(),
                self.find
            )),
        }
    }
}
