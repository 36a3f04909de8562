//! claim: inside.one-reader-of-a-log
//! Reads a dirty log that somebody else reads too.
use std::io;

use engine::{DirtyBitmap, DirtyLog};

fn sync(log: &mut dyn DirtyLog, dirty: &mut DirtyBitmap) -> io::Result<()> {
    log.sync(dirty)
}

fn main() {}
