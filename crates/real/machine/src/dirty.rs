//! A dirty log in software: each writer marks the page that it writes to.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use migration::{DirtyBitmap, DirtyLog};

/// One bit per page, set after the store that it reports.
///
/// It is always on. A flag to switch it off would have to be read between the store and the mark.
/// Without a full fence there, the first pass could miss a store that is not marked either.
#[derive(Debug)]
struct Marks(Vec<AtomicU64>);

/// A handle through which a writer, a vCPU or a device, stores to guest memory and marks the page.
///
/// Clones mark in the same log, and cannot read it.
#[derive(Debug, Clone)]
pub struct Marker(Option<Arc<Marks>>);

impl Marker {
    /// Makes a marker for a log that needs no marks.
    pub(crate) fn idle() -> Self {
        Marker(None)
    }

    /// Returns whether the log needs the marks.
    pub fn is_needed(&self) -> bool {
        self.0.is_some()
    }

    /// Calls `store`, which stores to `page`, and then marks the page.
    ///
    /// The mark is a release, so that a reader that takes it sees the store. It is always a
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

/// The only reader of the marks.
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
    // Most words are clean, and a load is cheaper than a swap.
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
            let bits = take_bits(bits);
            if bits != 0 {
                dirty.merge(index, bits);
            }
        }
        Ok(())
    }
}

/// The log of memory that is never written.
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

    /// Checks that marking before the store loses it: the mark can be taken before the store
    /// happens.
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
