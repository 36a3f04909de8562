//! claim: face.dirty-log-only-adds
//! Hands the engine a bitmap in which nothing is dirty.
use std::io;

use migration::{DirtyBitmap, DirtyLog};

struct Log;

impl DirtyLog for Log {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn stop(&mut self) {}
    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        dirty.merge(0, 1);
        Ok(())
    }
}

fn main() {}
