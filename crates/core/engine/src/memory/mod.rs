//! Defines guest RAM as the engine sees it: shared words, and a log of writes. QEMU's counterparts
//! are `RAMBlock` and the dirty log of `include/system/memory.h`.

mod bitmap;
mod block;
pub(crate) mod guest_io;
mod page;

use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use wire::TARGET_PAGE_SIZE;

pub use bitmap::DirtyBitmap;
pub(crate) use bitmap::PageSet;
pub use block::{RamBlock, RamSizeError};
pub(crate) use page::{is_zero, store, store_zero};

/// Number of 8-byte words in a page.
pub const PAGE_WORDS: usize = TARGET_PAGE_SIZE / size_of::<u64>();

/// The memory of a guest. Its owner maps it and vCPUs write to it at any time, so it is a slice of
/// atomics.
pub trait GuestMemory: Send + Sync {
    /// Returns all of the memory, in words of the host's byte order. Each call returns the same
    /// slice.
    ///
    /// The slice cannot show bytes after the last whole word, and they would not be migrated.
    /// Refuse such memory where it is made, with [`RamSizeError::check`].
    fn words(&self) -> &[AtomicU64];

    /// Reports pages that read as zero and have no memory allocated, so that they need not be read:
    /// ranges of pages of [`TARGET_PAGE_SIZE`] bytes, ascending and disjoint.
    ///
    /// It does not report a page that held other data before the call and was not cleared since. It
    /// may report a page that is written during or after the call; the dirty log reports that
    /// write. It does not report pages of which it does not know.
    fn each_untouched(&self, report: &mut dyn FnMut(Range<usize>)) {
        let _ = report;
    }

    /// Returns the file that the memory is a shared mapping of, from its first byte on, if there is
    /// one: a write to the file then appears in memory. The engine writes to the file only while
    /// the machine is received, when no dirty log runs.
    fn shared_file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Finds the pages that were written since the last call.
///
/// A writer stores first and then marks the page; the engine takes the mark first and then reads
/// the page. So the engine either sees a store or finds its mark.
///
/// A log may only see stores to the mapped memory. So while it runs, no code may change the memory
/// in another way, for example by a `write` to the file behind it.
///
/// A log has one reader, because a page that one reader took is missing for another. So the block
/// owns its log, and each function takes `&mut self`. The code that marks pages keeps its own part
/// of the log.
pub trait DirtyLog: Send {
    /// Starts to track writes (`memory_global_dirty_log_start`).
    ///
    /// # Errors
    ///
    /// If writes cannot be tracked.
    fn start(&mut self) -> io::Result<()>;

    /// Stops tracking (`memory_global_dirty_log_stop`).
    fn stop(&mut self);

    /// Adds to `dirty` the pages written since `start` or the last call, and clears them in the
    /// log.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()>;
}
