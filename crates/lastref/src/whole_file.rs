//! A file that is there whole or not at all.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file beside the one that is wanted; it takes its name when it is complete, and is removed
/// otherwise.
#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    beside: NamedTempFile,
}

impl WholeFile {
    /// Sees that there can be a file at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let beside = tempfile::Builder::new()
            .prefix(".lastref-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(WholeFile { path: path.to_owned(), beside })
    }

    pub(crate) fn as_file(&self) -> &File {
        self.beside.as_file()
    }

    /// It is complete.
    pub(crate) fn persist(self) -> io::Result<()> {
        self.beside.persist(&self.path).map(drop).map_err(|error| error.error)
    }
}
