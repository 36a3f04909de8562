//! A name in the file system that goes with what it is for.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The path of a file or a socket of ours, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct RemovedOnDrop {
    path: PathBuf,
    /// Device and inode: somebody may have another file there by then.
    identity: (u64, u64),
    kept: bool,
}

impl RemovedOnDrop {
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let there = fs::symlink_metadata(&path)?;
        Ok(RemovedOnDrop { path, identity: (there.dev(), there.ino()), kept: false })
    }

    /// It stays.
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
            // It may have been removed by hand just now.
            let _ = fs::remove_file(&self.path);
        }
    }
}
