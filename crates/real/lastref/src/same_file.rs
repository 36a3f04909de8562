//! Checks that what is read and what is written are not the same file: writing one would destroy
//! the other.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use migration::Uri;

use crate::failure::Failure;

/// Checks that the stream of `uri` and the RAM are different files, under whatever names.
///
/// # Errors
///
/// Wrong usage, if they are the same file.
pub(crate) fn refuse(ram: &Path, uri: &Uri) -> Result<(), Failure> {
    let stream = match uri {
        Uri::File { path, .. } => fs::metadata(path),
        Uri::Fd(number) => fs::metadata(format!("/proc/self/fd/{number}")),
        Uri::Unix(_) | Uri::Tcp(_) | Uri::Exec(_) => return Ok(()),
    };
    // A file that does not exist cannot be the same.
    if let (Ok(stream), Ok(ram_file)) = (stream, fs::metadata(ram))
        && ram_file.is_file()
        && is_same(&stream, &ram_file)
    {
        let ram = ram.display();
        return Err(Failure::Usage(format!("{uri} and the RAM file {ram} are the same file")));
    }
    Ok(())
}

/// Checks that what is extracted does not replace the stream that it comes from.
///
/// # Errors
///
/// Wrong usage, if they are the same file.
pub(crate) fn refuse_output(stream: &Path, output: &Path) -> Result<(), Failure> {
    let read = if stream.as_os_str() == "-" { Path::new("/proc/self/fd/0") } else { stream };
    if let (Ok(read), Ok(written)) = (fs::metadata(read), fs::metadata(output))
        && written.is_file()
        && is_same(&read, &written)
    {
        let output = output.display();
        return Err(Failure::Usage(format!("{output} is the stream itself")));
    }
    Ok(())
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}
