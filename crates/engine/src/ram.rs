//! Guest RAM as the engine sees it: blocks of shared words and a log of what was written.
//! QEMU's counterparts are `RAMBlock` and the dirty log of `include/system/memory.h`.

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::{IdStr, TARGET_PAGE_SIZE};

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

/// A named block of guest RAM. It cannot be copied: its dirty log has one reader.
pub struct RamBlock {
    idstr: IdStr,
    memory: Arc<dyn GuestMemory>,
    /// Read by the one migration that runs.
    log: Mutex<Box<dyn DirtyLog>>,
}

/// Memory that cannot be a RAM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a RAM block has a whole number of {TARGET_PAGE_SIZE}-byte pages and at least one, not {bytes} bytes"
)]
pub struct RamSizeError {
    bytes: usize,
}

impl RamSizeError {
    /// Tells whether memory of `bytes` bytes can be a RAM block.
    ///
    /// # Errors
    ///
    /// If it is not a whole number of pages, or none.
    pub fn check(bytes: usize) -> Result<(), Self> {
        if bytes == 0 || !bytes.is_multiple_of(TARGET_PAGE_SIZE) {
            return Err(RamSizeError { bytes });
        }
        Ok(())
    }
}

impl RamBlock {
    /// A block by the name that both ends know it by.
    ///
    /// # Errors
    ///
    /// If the memory is not a whole number of pages, or none.
    pub fn new(
        idstr: IdStr,
        memory: Arc<dyn GuestMemory>,
        log: Box<dyn DirtyLog>,
    ) -> Result<Self, RamSizeError> {
        RamSizeError::check(size_of_val(memory.words()))?;
        Ok(RamBlock { idstr, memory, log: Mutex::new(log) })
    }

    /// The name.
    pub fn idstr(&self) -> &IdStr {
        &self.idstr
    }

    /// How many pages.
    pub fn pages(&self) -> usize {
        self.memory.words().len() / PAGE_WORDS
    }

    /// Bytes (`used_length`).
    pub fn used_length(&self) -> u64 {
        (self.pages() * TARGET_PAGE_SIZE) as u64
    }

    /// The words of one page.
    ///
    /// # Panics
    ///
    /// If the block has no such page.
    pub(crate) fn page(&self, page: usize) -> &[AtomicU64] {
        &self.memory.words()[page * PAGE_WORDS..][..PAGE_WORDS]
    }

    /// The words of `pages`, those of neighbours as one piece.
    ///
    /// # Panics
    ///
    /// If the block has not all of them.
    pub(crate) fn runs(&self, pages: &[usize]) -> Vec<&[AtomicU64]> {
        let words = self.memory.words();
        let runs = pages.chunk_by(|page, next| page + 1 == *next);
        runs.map(|run| &words[run[0] * PAGE_WORDS..][..run.len() * PAGE_WORDS]).collect()
    }

    pub(crate) fn shared_file(&self) -> Option<BorrowedFd<'_>> {
        self.memory.shared_file()
    }

    /// The pages that are untouched now.
    pub(crate) fn untouched(&self) -> PageSet {
        let mut set = PageSet::none(self.pages());
        self.memory.each_untouched(&mut |pages| set.insert_range(pages));
        set
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Box<dyn DirtyLog>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RamBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RamBlock")
            .field("idstr", &self.idstr)
            .field("used_length", &self.used_length())
            .finish_non_exhaustive()
    }
}

/// Whether a page is all zero now.
///
/// Eight words at a time: the loads of one step do not wait for each other's test.
pub(crate) fn is_zero(page: &[AtomicU64]) -> bool {
    let (steps, rest) = page.as_chunks::<8>();
    let bits = |words: &[AtomicU64]| {
        words.iter().fold(0, |bits, word| bits | word.load(Ordering::Relaxed))
    };
    steps.iter().all(|step| bits(step) == 0) && bits(rest) == 0
}

/// Stores `bytes`, a page of the stream, to a page of the guest.
pub(crate) fn store(page: &[AtomicU64], bytes: &[u8]) {
    let (words, _) = bytes.as_chunks::<8>();
    for (place, bytes) in page.iter().zip(words) {
        place.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    }
}

/// Makes a page all zero, without writing to it if it is.
pub(crate) fn store_zero(page: &[AtomicU64]) {
    if is_zero(page) {
        return;
    }
    for word in page {
        word.store(0, Ordering::Relaxed);
    }
}

/// A set of pages of one block: a bit a page. Several threads may take pages out of it.
#[derive(Debug)]
pub(crate) struct PageSet {
    words: Vec<AtomicU64>,
}

impl PageSet {
    /// The empty set, of a block with `pages` pages.
    pub(crate) fn none(pages: usize) -> Self {
        PageSet { words: (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(crate) fn contains(&self, page: usize) -> bool {
        self.words[page / 64].load(Ordering::Relaxed) >> (page % 64) & 1 != 0
    }

    /// Takes a page out; `true` says that it was in.
    pub(crate) fn remove(&mut self, page: usize) -> bool {
        let (word, bit) = (self.words[page / 64].get_mut(), 1 << (page % 64));
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }

    /// Adds the pages of `range`; those beyond the block are ignored.
    pub(crate) fn insert_range(&mut self, range: Range<usize>) {
        // What a machine reports may be any range.
        let end = range.end.min(self.words.len() * 64);
        for (index, bits) in words_of(range.start..end) {
            *self.words[index].get_mut() |= bits;
        }
    }

    pub(crate) fn remove_range(&self, range: Range<usize>) {
        for (index, bits) in words_of(range) {
            if self.words[index].load(Ordering::Relaxed) & bits != 0 {
                self.words[index].fetch_and(!bits, Ordering::Relaxed);
            }
        }
    }
}

/// The words of a bitmap that `range` touches, with the bits of it in each.
fn words_of(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let indices = if range.is_empty() { 0..0 } else { range.start / 64..range.end.div_ceil(64) };
    indices.map(move |index| {
        let from = range.start.saturating_sub(index * 64);
        let to = (range.end - index * 64).min(64);
        (index, u64::MAX << from & u64::MAX >> (64 - to))
    })
}

/// The pages of a block that still have to go. It cannot be copied, so a log cannot put an
/// older one in its place.
#[derive(Debug)]
pub struct DirtyBitmap {
    words: Vec<u64>,
    pages: usize,
    dirty: usize,
}

impl DirtyBitmap {
    /// A bitmap in which every page is dirty.
    pub(crate) fn all(pages: usize) -> Self {
        let mut words = vec![u64::MAX; pages.div_ceil(64)];
        if let Some(last) = words.last_mut()
            && !pages.is_multiple_of(64)
        {
            *last = (1 << (pages % 64)) - 1;
        }
        DirtyBitmap { words, pages, dirty: pages }
    }

    /// How many pages the block has.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// How many pages are dirty.
    pub fn count(&self) -> usize {
        self.dirty
    }

    /// Adds the dirty pages of `bits`, bit 0 of which is page `64 * index`. Bits beyond the
    /// block are ignored.
    pub fn merge(&mut self, index: usize, bits: u64) {
        let Some(word) = self.words.get_mut(index) else {
            return;
        };
        let tail = self.pages - index * 64;
        let bits = if tail < 64 { bits & ((1 << tail) - 1) } else { bits };
        self.dirty += (bits & !*word).count_ones() as usize;
        *word |= bits;
    }

    /// Adds a range of dirty pages. Pages beyond the block are ignored.
    pub fn merge_range(&mut self, pages: Range<usize>) {
        for (index, bits) in words_of(pages.start..pages.end.min(self.pages)) {
            self.merge(index, bits);
        }
    }

    /// Takes the first dirty page at or after `from` out of the bitmap.
    pub(crate) fn take_next(&mut self, from: usize) -> Option<usize> {
        let mut index = from / 64;
        let mut bits = self.words.get(index)? & (u64::MAX << (from % 64));
        while bits == 0 {
            index += 1;
            bits = *self.words.get(index)?;
        }
        let bit = bits.trailing_zeros() as usize;
        self.words[index] &= !(1 << bit);
        self.dirty -= 1;
        Some(index * 64 + bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(bitmap: &mut DirtyBitmap) -> Vec<usize> {
        let mut from = 0;
        std::iter::from_fn(|| {
            let page = bitmap.take_next(from)?;
            from = page + 1;
            Some(page)
        })
        .collect()
    }

    #[test]
    fn a_full_bitmap_gives_every_page_once() {
        for pages in [1, 63, 64, 65, 128, 1000] {
            let mut bitmap = DirtyBitmap::all(pages);
            assert_eq!(bitmap.count(), pages);
            assert_eq!(drain(&mut bitmap), (0..pages).collect::<Vec<_>>());
            assert_eq!(bitmap.count(), 0);
        }
    }

    #[test]
    fn merged_pages_are_counted_once_and_none_lies_outside_the_block() {
        let mut bitmap = DirtyBitmap::all(70);
        drain(&mut bitmap);
        bitmap.merge(0, 0b101);
        bitmap.merge(0, 0b100);
        bitmap.merge(1, u64::MAX);
        bitmap.merge(2, u64::MAX);
        assert_eq!(bitmap.count(), 2 + 6);
        assert_eq!(drain(&mut bitmap), [0, 2, 64, 65, 66, 67, 68, 69]);
    }

    #[test]
    fn a_set_of_pages_knows_its_ranges() {
        let pages = |set: &PageSet| (0..200).filter(|page| set.contains(*page)).collect::<Vec<_>>();
        for range in [0..0, 3..4, 60..70, 0..200, 64..128, 190..300, 0..usize::MAX, 250..usize::MAX]
        {
            let mut set = PageSet::none(200);
            set.insert_range(range.clone());
            let within: Vec<usize> = (0..200).filter(|page| range.contains(page)).collect();
            assert_eq!(pages(&set), within);
            set.remove_range(1..199);
            assert!(pages(&set).iter().all(|page| *page == 0 || *page == 199));
            let first = within.contains(&0);
            assert_eq!((set.remove(0), set.remove(0)), (first, false));
        }
    }

    #[test]
    fn a_merged_range_is_its_pages_one_by_one() {
        for pages in [1, 63, 64, 65, 200] {
            for start in 0..pages + 3 {
                for end in [start, start + 1, start + 63, start + 64, start + 65, usize::MAX] {
                    let mut bitmap = DirtyBitmap::all(pages);
                    drain(&mut bitmap);
                    // One is there already, and is not counted again.
                    bitmap.merge_range(pages / 2..pages / 2 + 1);
                    bitmap.merge_range(start..end);
                    let expected: Vec<usize> = (0..pages)
                        .filter(|page| *page == pages / 2 || (start..end).contains(page))
                        .collect();
                    assert_eq!(bitmap.count(), expected.len(), "{start}..{end} of {pages}");
                    assert_eq!(drain(&mut bitmap), expected, "{start}..{end} of {pages}");
                }
            }
        }
    }

    #[test]
    fn a_page_reads_back_as_the_stream_had_it() {
        let page: Vec<AtomicU64> = (0..PAGE_WORDS).map(|_| AtomicU64::new(9)).collect();
        store_zero(&page);
        assert!(is_zero(&page));
        let bytes: Vec<u8> = (0..TARGET_PAGE_SIZE).map(|i| (i % 251) as u8).collect();
        store(&page, &bytes);
        assert!(!is_zero(&page));
        let back: Vec<u8> =
            page.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect();
        assert_eq!(back, bytes);
    }
}
