//! A dirty log kept in software: whoever writes to memory marks the page.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use migration::{DirtyBitmap, DirtyLog};

/// One bit a page, set after the store it tells of.
///
/// It is always on. A flag to switch it off would have to be read between the store and the
/// mark, and without a full fence there a store can be missed by the first pass and not be
/// marked either.
#[derive(Debug)]
struct Marks(Vec<AtomicU64>);

/// Stores to guest memory for a dirty log. Every writer has one: a vCPU, a device.
///
/// Clones mark in the same log, and read nothing out of it.
#[derive(Debug, Clone)]
pub struct Marker(Option<Arc<Marks>>);

impl Marker {
    /// Makes a marker for a log that finds stores by itself.
    pub(crate) fn idle() -> Self {
        Marker(None)
    }

    /// Returns whether the log needs the marks.
    pub fn is_needed(&self) -> bool {
        self.0.is_some()
    }

    /// Calls `store`, which stores to `page`, and marks the page after.
    ///
    /// Release, so that a reader that takes the mark sees the store; and always a
    /// read-modify-write, so that a mark taken between the store and here is set again.
    ///
    /// # Panics
    ///
    /// If the log has no such page.
    #[inline]
    pub fn store<R>(&self, page: usize, store: impl FnOnce() -> R) -> R {
        let stored = store();
        if let Some(marks) = &self.0 {
            marks.0[page / 64].fetch_or(1 << (page % 64), Ordering::Release);
        }
        stored
    }
}

/// The reader of the marks. There is one.
#[derive(Debug)]
pub(crate) struct SoftwareDirtyLog(Arc<Marks>);

impl SoftwareDirtyLog {
    /// Makes a log for `pages` pages.
    pub(crate) fn new(pages: usize) -> Self {
        let bits = (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        SoftwareDirtyLog(Arc::new(Marks(bits)))
    }

    pub(crate) fn marker(&self) -> Marker {
        Marker(Some(Arc::clone(&self.0)))
    }

    /// Reports the marked pages and takes the marks, as [`DirtyLog::sync`] does.
    pub(crate) fn take(&mut self, mut report: impl FnMut(Range<usize>)) {
        for (index, bits) in self.0.0.iter().enumerate() {
            let mut bits = take_bits(bits);
            while bits != 0 {
                let page = index * 64 + bits.trailing_zeros() as usize;
                report(page..page + 1);
                bits &= bits - 1;
            }
        }
    }
}

/// Takes the marks of 64 pages.
fn take_bits(bits: &AtomicU64) -> u64 {
    // Most words are clean, and looking is cheaper than swapping.
    if bits.load(Ordering::Relaxed) == 0 { 0 } else { bits.swap(0, Ordering::Acquire) }
}

impl DirtyLog for SoftwareDirtyLog {
    fn start(&mut self) -> io::Result<()> {
        self.take(|_| ());
        Ok(())
    }

    fn stop(&mut self) {}

    fn sync(&mut self, dirty: &mut DirtyBitmap) -> io::Result<()> {
        for (index, bits) in self.0.0.iter().enumerate() {
            dirty.merge(index, take_bits(bits));
        }
        Ok(())
    }
}

/// The log of memory that nobody writes to.
#[derive(Debug)]
pub struct NeverDirty;

impl DirtyLog for NeverDirty {
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn stop(&mut self) {}

    fn sync(&mut self, _dirty: &mut DirtyBitmap) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mark that is set first can be taken before the store, which nobody hears of then.
    #[test]
    fn a_page_is_marked_after_the_store_and_not_before() {
        let mut log = SoftwareDirtyLog::new(100);
        let marker = log.marker();
        let taken = |log: &mut SoftwareDirtyLog| {
            let mut pages = Vec::new();
            log.take(|range| pages.extend(range));
            pages
        };
        let during = marker.store(70, || taken(&mut log));
        assert_eq!(during, [0; 0], "while it is stored");
        assert_eq!(taken(&mut log), [70], "after it is stored");
        assert_eq!(taken(&mut log), [0; 0], "taken once");
    }
}
