//! claim: face.dirty-log-only-adds
//! Tells the engine that nothing is dirty.
use std::io;

use migration::{DirtyBitmap, DirtyLog};

struct Log;

impl DirtyLog for Log {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn stop(&mut self) {}
    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        dirty.dirty = 0; //~ E0616 dirty
        Ok(())
    }
}

fn main() {}
