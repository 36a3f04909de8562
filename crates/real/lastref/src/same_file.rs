//! A stream and RAM in one file: writing the one would destroy the other.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use migration::Uri;

use crate::failure::Failure;

/// Sees that the stream of `uri` is in another file than the RAM is, by whatever name.
///
/// # Errors
///
/// Wrong usage, if it is the same one.
pub(crate) fn refuse(ram: &Path, uri: &Uri) -> Result<(), Failure> {
    let stream = match uri {
        Uri::File { path, .. } => fs::metadata(path),
        Uri::Fd(number) => fs::metadata(format!("/proc/self/fd/{number}")),
        Uri::Unix(_) | Uri::Tcp(_) | Uri::Exec(_) => return Ok(()),
    };
    // A file that is not there is no other's.
    if let (Ok(stream), Ok(ram_file)) = (stream, fs::metadata(ram))
        && ram_file.is_file()
        && is_same(&stream, &ram_file)
    {
        let ram = ram.display();
        return Err(Failure::Usage(format!("{uri} and the RAM file {ram} are one file")));
    }
    Ok(())
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}
