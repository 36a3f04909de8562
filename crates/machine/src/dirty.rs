//! A dirty log kept in software: whoever writes to memory marks the page.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use migration::{DirtyBitmap, DirtyLog};

/// One bit a page, set after the store it tells of.
///
/// It is always on. A flag to switch it off would have to be read between the store and the
/// mark, and without a full fence there a store can be missed by the first pass and not be
/// marked either.
#[derive(Debug)]
pub struct SoftwareDirtyLog {
    bits: Vec<AtomicU64>,
}

impl SoftwareDirtyLog {
    /// A log for `pages` pages.
    pub fn new(pages: usize) -> Self {
        SoftwareDirtyLog { bits: (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Page `page` was written.
    ///
    /// Release, so that who takes the mark sees the store; and always a read-modify-write,
    /// so that a mark taken between the store and here is set again.
    ///
    /// # Panics
    ///
    /// If the log has no such page.
    pub fn mark(&self, page: usize) {
        self.bits[page / 64].fetch_or(1 << (page % 64), Ordering::Release);
    }

    /// Reports the marked pages and takes the marks, as [`DirtyLog::sync`] does.
    pub(crate) fn take(&self, mut report: impl FnMut(Range<usize>)) {
        for (index, bits) in self.bits.iter().enumerate() {
            let mut bits = Self::take_bits(bits);
            while bits != 0 {
                let page = index * 64 + bits.trailing_zeros() as usize;
                report(page..page + 1);
                bits &= bits - 1;
            }
        }
    }

    /// Takes the marks of 64 pages.
    fn take_bits(bits: &AtomicU64) -> u64 {
        // Most words are clean, and looking is cheaper than swapping.
        if bits.load(Ordering::Relaxed) == 0 { 0 } else { bits.swap(0, Ordering::Acquire) }
    }
}

impl DirtyLog for SoftwareDirtyLog {
    fn start(&self) -> io::Result<()> {
        for bits in &self.bits {
            Self::take_bits(bits);
        }
        Ok(())
    }

    fn stop(&self) {}

    fn sync(&self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        for (index, bits) in self.bits.iter().enumerate() {
            dirty.merge(index, Self::take_bits(bits));
        }
        Ok(())
    }
}

/// The log of memory that nobody writes to.
#[derive(Debug)]
pub struct NeverDirty;

impl DirtyLog for NeverDirty {
    fn start(&self) -> io::Result<()> {
        Ok(())
    }

    fn stop(&self) {}

    fn sync(&self, _dirty: &mut DirtyBitmap) -> io::Result<()> {
        Ok(())
    }
}
