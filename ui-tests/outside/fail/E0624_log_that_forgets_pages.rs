//! claim: face.dirty-log-only-adds
//! Writes a dirty log that takes pages out of what still has to go.
use std::io;

use migration::{DirtyBitmap, DirtyLog};

struct Log;

impl DirtyLog for Log {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn stop(&mut self) {}
    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        while dirty.take_next(0).is_some() {} //~ E0624 take_next
        Ok(())
    }
}

fn main() {}
