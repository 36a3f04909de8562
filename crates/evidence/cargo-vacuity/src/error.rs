//! What can go wrong with a run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

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

impl Error {
    /// What makes an error of a file's, for `map_err`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Error::File(path, error)
    }

    /// What makes an error of a file's contents, for `map_err`.
    pub(crate) fn format<E: ToString>(path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |error| Error::Format(path, error.to_string())
    }
}

/// Reads a file of the user's; returns `None` if there is none.
pub(crate) fn read_toml<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, Error> {
    match fs::read_to_string(file) {
        Ok(text) => toml::from_str(&text).map(Some).map_err(Error::format(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::File(file.to_owned(), error)),
    }
}
