//! Stores sets of pages of one block, with one bit per page.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A set of pages of one block. Several threads may remove pages from it at the same time.
#[derive(Debug)]
pub(crate) struct PageSet {
    words: Vec<AtomicU64>,
    pages: usize,
}

impl PageSet {
    /// Makes the empty set, of a block with `pages` pages.
    pub(crate) fn none(pages: usize) -> Self {
        PageSet { words: (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(), pages }
    }

    /// Makes the set of all pages of a block with `pages` pages.
    pub(crate) fn all(pages: usize) -> Self {
        let mut set = PageSet::none(pages);
        set.insert_range(0..pages);
        set
    }

    pub(crate) fn contains(&self, page: usize) -> bool {
        self.words[page / 64].load(Ordering::Relaxed) >> (page % 64) & 1 != 0
    }

    /// Removes a page, and returns whether the set contained it.
    pub(crate) fn remove(&mut self, page: usize) -> bool {
        let (word, bit) = (self.words[page / 64].get_mut(), 1 << (page % 64));
        let was = *word & bit != 0;
        *word &= !bit;
        was
    }

    /// Removes and returns the first page at or after `from`.
    fn take_next(&mut self, from: usize) -> Option<usize> {
        let mut index = from / 64;
        let mut bits = *self.words.get_mut(index)?.get_mut() & (u64::MAX << (from % 64));
        while bits == 0 {
            index += 1;
            bits = *self.words.get_mut(index)?.get_mut();
        }
        let bit = bits.trailing_zeros() as usize;
        *self.words[index].get_mut() &= !(1 << bit);
        Some(index * 64 + bit)
    }

    /// Adds the pages of `bits`, where bit 0 is page `64 * index`, and returns how many were new.
    /// It ignores pages beyond the block, because a machine may report any.
    fn insert(&mut self, index: usize, bits: u64) -> usize {
        let Some(word) = self.words.get_mut(index) else { return 0 };
        let tail = self.pages - index * 64;
        let bits = if tail < 64 { bits & ((1 << tail) - 1) } else { bits };
        let word = word.get_mut();
        let new = bits & !*word;
        *word |= new;
        new.count_ones() as usize
    }

    /// Adds the pages of `range`, and returns how many were new. It ignores pages beyond the block.
    pub(crate) fn insert_range(&mut self, range: Range<usize>) -> usize {
        let within = range.start..range.end.min(self.pages);
        words_of(within).map(|(index, bits)| self.insert(index, bits)).sum()
    }

    pub(crate) fn remove_range(&self, range: Range<usize>) {
        for (index, bits) in words_of(range) {
            if self.words[index].load(Ordering::Relaxed) & bits != 0 {
                self.words[index].fetch_and(!bits, Ordering::Relaxed);
            }
        }
    }
}

/// Returns the index of each word of a bitmap that `range` touches, with the bits of the range in
/// it.
fn words_of(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let indices = if range.is_empty() { 0..0 } else { range.start / 64..range.end.div_ceil(64) };
    indices.map(move |index| {
        let from = range.start.saturating_sub(index * 64);
        let to = (range.end - index * 64).min(64);
        (index, u64::MAX << from & u64::MAX >> (64 - to))
    })
}

/// The pages of a block that still have to be sent. It cannot be copied, so a log cannot put an
/// older bitmap in its place.
#[derive(Debug)]
pub struct DirtyBitmap {
    set: PageSet,
    dirty: usize,
}

impl DirtyBitmap {
    /// Makes a bitmap in which every page is dirty.
    pub(crate) fn all(pages: usize) -> Self {
        DirtyBitmap { set: PageSet::all(pages), dirty: pages }
    }

    /// Returns how many pages the block has.
    pub fn pages(&self) -> usize {
        self.set.pages
    }

    /// Returns how many pages are dirty.
    pub fn count(&self) -> usize {
        self.dirty
    }

    /// Adds the dirty pages of `bits`, where bit 0 is page `64 * index`. It ignores bits beyond the
    /// block.
    pub fn merge(&mut self, index: usize, bits: u64) {
        self.dirty += self.set.insert(index, bits);
    }

    /// Adds a range of dirty pages. It ignores pages beyond the block.
    pub fn merge_range(&mut self, pages: Range<usize>) {
        self.dirty += self.set.insert_range(pages);
    }

    /// Removes and returns the first dirty page at or after `from`.
    pub(crate) fn take_next(&mut self, from: usize) -> Option<usize> {
        let page = self.set.take_next(from)?;
        self.dirty -= 1;
        Some(page)
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
}
