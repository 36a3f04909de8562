//! Guest RAM as the engine sees it: shared words, and a log of what was written.
//! QEMU's counterparts are `RAMBlock` and the dirty log of `include/system/memory.h`.

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

/// Words of 8 bytes in a page.
pub const PAGE_WORDS: usize = TARGET_PAGE_SIZE / size_of::<u64>();

/// Memory of a guest: mapped by its owner, written by vCPUs at any time, and so a slice of
/// atomics.
pub trait GuestMemory: Send + Sync {
    /// All of it, in words of the host's byte order. The slice is the same at each call.
    ///
    /// Bytes after the last whole word cannot be told here, and would not be migrated. Refuse such
    /// memory where it is made, with [`RamSizeError::check`].
    fn words(&self) -> &[AtomicU64];

    /// Reports pages that hold zeros and have no memory behind them, so that nobody needs to
    /// read them: ranges of pages of [`TARGET_PAGE_SIZE`] bytes, ascending and apart.
    ///
    /// A page that held something else before the call, and was not cleared since, is not
    /// reported. One that is written during the call or after it may be: that is for the
    /// dirty log to tell. What is not known is not reported.
    fn each_untouched(&self, report: &mut dyn FnMut(Range<usize>)) {
        let _ = report;
    }

    /// The file that memory is a shared mapping of, from its first byte on, if it is one: what is
    /// written there is in memory. The engine writes to it only while the machine is received, when
    /// no dirty log runs.
    fn shared_file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Finds the pages that were written since they were last asked for.
///
/// A writer stores first and marks the page after; the engine takes the mark first and reads
/// the page after. So a store is either seen or marked.
///
/// A log may see nothing but stores to memory as it is mapped. So while it runs nobody changes memory
/// otherwise, as by a `write` to the file behind it.
///
/// A log has one reader, since a page that one reader took is missing for another. So the block
/// owns its log, and each function takes `&mut self`: who marks pages keeps a part of its own.
pub trait DirtyLog: Send {
    /// Begins to track writes (`memory_global_dirty_log_start`).
    ///
    /// # Errors
    ///
    /// If writes cannot be tracked.
    fn start(&mut self) -> io::Result<()>;

    /// Ends it (`memory_global_dirty_log_stop`).
    fn stop(&mut self);

    /// Adds the pages written since `start` or the last call to `dirty`, and forgets them.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()>;
}
