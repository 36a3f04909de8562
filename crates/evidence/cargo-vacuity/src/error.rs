//! What can go wrong with a run.

use std::io;
use std::path::PathBuf;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// Cargo refused; with its words.
    #[error("cargo: {0}")]
    Cargo(String),
    /// No package of the workspace has this name.
    #[error("the workspace has no package `{0}`")]
    NoPackage(String),
    /// A file of the tool's cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// A file of the tool's is not what it should be.
    #[error("{0}: {1}")]
    Format(PathBuf, String),
    /// The system refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
}
