//! The kinds of memory, made for a test.

use std::fs::File;
use std::sync::Arc;

use machine::Ram;
use migration::PAGE_WORDS;
use rustix::fs::{MemfdFlags, memfd_create};

/// The kinds of memory that a machine can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Anonymous,
    /// A file in memory (tmpfs), shared.
    SharedMemory,
    /// A file in the folder for temporary files, shared.
    SharedFile,
    PrivateMemory,
    PrivateFile,
}

pub(crate) const KINDS: [Kind; 5] =
    [Kind::Anonymous, Kind::SharedMemory, Kind::SharedFile, Kind::PrivateMemory, Kind::PrivateFile];

impl Kind {
    /// The file of such memory, if it has one: all hole.
    pub(crate) fn file(self, pages: usize) -> Option<File> {
        let file = match self {
            Kind::Anonymous => return None,
            Kind::SharedMemory | Kind::PrivateMemory => {
                File::from(memfd_create("ram", MemfdFlags::CLOEXEC).expect("a file in memory"))
            }
            Kind::SharedFile | Kind::PrivateFile => tempfile::tempfile().expect("a file"),
        };
        file.set_len((pages * PAGE_WORDS * size_of::<u64>()) as u64).expect("a file with holes");
        Some(file)
    }

    /// Memory of this kind, of `file` if it has one.
    pub(crate) fn map(self, file: Option<&File>, pages: usize) -> Arc<Ram> {
        let ram = match (self, file) {
            (Kind::SharedMemory | Kind::SharedFile, Some(file)) => Ram::shared(file),
            (Kind::PrivateMemory | Kind::PrivateFile, Some(file)) => Ram::private(file),
            _ => Ram::anonymous(pages * PAGE_WORDS * size_of::<u64>()),
        };
        Arc::new(ram.expect("memory"))
    }

    /// Memory of this kind, never touched.
    pub(crate) fn ram(self, pages: usize) -> Arc<Ram> {
        self.map(self.file(pages).as_ref(), pages)
    }
}

/// A generator of random numbers (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}
