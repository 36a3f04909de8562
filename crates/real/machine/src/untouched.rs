//! A search for pages of memory that were never written, without reading them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{SeekFrom, fstatfs, seek};
use rustix::io::Errno;

use crate::pagemap::{Pagemap, Pages};

/// Reports the addresses of anonymous memory that read as zero and have no memory.
pub(crate) fn each_empty(
    addresses: Range<usize>,
    report: &mut dyn FnMut(Range<usize>),
) -> io::Result<()> {
    let pagemap = Pagemap::open()?;
    match pagemap.scan(addresses.clone(), Pages::UNTOUCHED, &mut *report) {
        // A kernel before 6.7 does not have the scan, and has reported nothing.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOTTY) => {
            pagemap.read_empty(addresses, report)
        }
        scanned => scanned,
    }
}

/// Reports the parts of `addresses`, a private mapping of a file, that this process has not stored
/// to.
pub(crate) fn each_of_the_file(
    pagemap: &Pagemap,
    addresses: Range<usize>,
    report: &mut dyn FnMut(Range<usize>),
) -> io::Result<()> {
    pagemap.scan(addresses, Pages::OF_THE_FILE, report)
}

/// The holes of a file that is mapped.
#[derive(Debug)]
pub(crate) struct Holes {
    file: File,
}

impl Holes {
    /// Returns the holes of `file` if its file system reports them correctly: bytes that were
    /// stored to a mapping but have no block yet must not be a hole.
    pub(crate) fn of(file: &File) -> Option<Self> {
        /// `TMPFS_MAGIC`, `EXT4_SUPER_MAGIC`, `XFS_SUPER_MAGIC`, `BTRFS_SUPER_MAGIC` of the
        /// kernel's `include/uapi/linux/magic.h`. Others report no holes; FUSE asks its server,
        /// which does not see a store that was not written back.
        const TRUSTED: [u32; 4] = [0x0102_1994, 0xef53, 0x5846_5342, 0x9123_683e];

        // Opened again, because searching for holes moves the position, which belongs to the owner.
        let file = File::open(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())).ok()?;
        let kind = fstatfs(&file).ok()?.f_type;
        TRUSTED.contains(&(kind as u32)).then_some(Holes { file })
    }

    /// Reports the ranges of bytes below `end` that are whole pages of holes, ascending.
    pub(crate) fn each(
        &self,
        end: u64,
        report: &mut dyn FnMut(Range<u64>) -> io::Result<()>,
    ) -> io::Result<()> {
        // A file with as many blocks as bytes has no holes worth finding. The search is slow on
        // tmpfs, which walks page by page: 30 ms for 2 GiB.
        if self.file.metadata()?.blocks().saturating_mul(512) >= end {
            return Ok(());
        }
        let page_size = rustix::param::page_size() as u64;
        let mut hole = 0;
        while hole < end {
            let data = match seek(&self.file, SeekFrom::Data(hole)) {
                Err(Errno::NXIO) => end,
                data => data?.min(end),
            };
            // Blocks may be smaller than pages.
            let pages = hole.next_multiple_of(page_size)..data / page_size * page_size;
            if !pages.is_empty() {
                report(pages)?;
            }
            if data == end {
                break;
            }
            hole = seek(&self.file, SeekFrom::Hole(data))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use migration::{GuestMemory, PAGE_WORDS};

    use super::*;
    use crate::ram::Ram;

    #[test]
    fn a_kernel_without_the_scan_tells_the_same_of_memory_that_was_not_read() {
        let ram = Ram::anonymous(40 << 20).expect("memory");
        let pages = ram.words().len() / PAGE_WORDS;
        for page in (0..pages).filter(|page| page % 7 < 2 && page % 4096 > 600) {
            ram.words()[page * PAGE_WORDS].store(page as u64, Ordering::Relaxed);
        }
        let pagemap = Pagemap::open().expect("the page map");
        let (mut read, mut scanned) = (Vec::new(), Vec::new());
        pagemap.read_empty(ram.addresses(), |empty| read.push(empty)).expect("entries");
        each_empty(ram.addresses(), &mut |empty| scanned.push(empty)).expect("an answer");
        assert!(read.len() > 1000, "{}", read.len());
        assert_eq!(read, scanned);
    }
}
