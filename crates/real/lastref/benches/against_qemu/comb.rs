//! Free memory that a hypervisor leaves alone.
//!
//! Where a virtual machine reports what it has freed, its hypervisor takes that away, and each page
//! has to be got back at its next touch: a migration into fresh RAM was 1 to 6 times slower for it,
//! whichever tool was the destination. Large free blocks are reported only. So memory is taken and
//! every second page of it freed: no two free pages are neighbours, and no block grows large.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

const PAGE: u64 = 4096;

/// Bytes that are written at once.
const PIECE: u64 = 1 << 20;

/// Holds the pages between.
#[derive(Debug)]
pub(crate) struct Comb {
    _file: File,
}

impl Comb {
    /// `bytes` of free memory, and as many held between, in a file of `folder` that has no name. The
    /// file system has to be one in memory.
    pub(crate) fn new(folder: &Path, bytes: u64) -> io::Result<Self> {
        let mut file = tempfile::tempfile_in(folder)?;
        let piece = vec![1; PIECE as usize];
        for _ in 0..(2 * bytes).div_ceil(PIECE) {
            file.write_all(&piece)?;
        }
        for page in (0..2 * bytes).step_by(2 * PAGE as usize) {
            fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, page, PAGE)?;
        }
        Ok(Comb { _file: file })
    }
}
