//! Removes a file or a socket that this process made when it is no longer needed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The path of a file or a socket that this process made, which is removed when this value is
/// dropped.
#[derive(Debug)]
pub(crate) struct RemovedOnDrop {
    path: PathBuf,
    /// Device and inode, because another process may have replaced the file by then.
    identity: (u64, u64),
    kept: bool,
}

impl RemovedOnDrop {
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let there = fs::symlink_metadata(&path)?;
        Ok(RemovedOnDrop { path, identity: (there.dev(), there.ino()), kept: false })
    }

    /// Keeps the file.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for RemovedOnDrop {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let ours = |there: fs::Metadata| (there.dev(), there.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // It fails if the file was removed by hand in the meantime.
            let _ = fs::remove_file(&self.path);
        }
    }
}
