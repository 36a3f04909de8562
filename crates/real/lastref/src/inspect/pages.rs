//! A value for each page of some RAM blocks, in memory that grows only with the pages that come.

use std::collections::BTreeMap;

/// Values in one chunk.
const CHUNK: u64 = 512;

/// Maximum number of chunks of a set of pages: 32 MiB, the bits of 1 TiB.
const MAX_SET_CHUNKS: usize = 8192;

/// Maximum number of chunks of values for pages: 1 GiB, the values of 512 GiB.
const MAX_VALUE_CHUNKS: usize = 1 << 18;

/// A word for each index of some blocks, 0 at first.
///
/// The indices that a hostile stream names can be anywhere, so the map has a limit: it refuses
/// chunks beyond that.
pub(crate) struct Words {
    max_chunks: usize,
    places: BTreeMap<(usize, u64), usize>,
    chunks: Vec<Box<[u64; CHUNK as usize]>>,
    /// The chunk of the last access: pages come in order.
    last: Option<((usize, u64), usize)>,
}

impl Words {
    /// Makes a map for the values of pages.
    pub(crate) fn of_pages() -> Words {
        Words::with_limit(MAX_VALUE_CHUNKS)
    }

    fn with_limit(max_chunks: usize) -> Words {
        Words { max_chunks, places: BTreeMap::new(), chunks: Vec::new(), last: None }
    }

    /// Returns the word of `index` in `block`, if it has memory. One that has not is 0.
    pub(crate) fn get_mut(&mut self, block: usize, index: u64) -> Option<&mut u64> {
        let place = *self.places.get(&(block, index / CHUNK))?;
        self.chunks[place].get_mut((index % CHUNK) as usize)
    }

    /// Returns the words of `block` that are not 0, in order.
    pub(crate) fn iter(&self, block: usize) -> impl Iterator<Item = (u64, u64)> {
        let chunks = self.places.range((block, 0)..(block + 1, 0));
        chunks.flat_map(|((_, chunk), place)| {
            let words = self.chunks[*place].iter().enumerate();
            let words = words.filter(|(_, word)| **word != 0);
            words.map(move |(index, word)| (chunk * CHUNK + index as u64, *word))
        })
    }

    /// Returns the word of `index` in `block`; `None` if it would need more memory than allowed.
    pub(crate) fn entry(&mut self, block: usize, index: u64) -> Option<&mut u64> {
        let key = (block, index / CHUNK);
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => match self.places.get(&key) {
                Some(place) => *place,
                None if self.chunks.len() == self.max_chunks => return None,
                None => {
                    self.chunks.push(Box::new([0; CHUNK as usize]));
                    self.places.insert(key, self.chunks.len() - 1);
                    self.chunks.len() - 1
                }
            },
        };
        self.last = Some((key, place));
        self.chunks[place].get_mut((index % CHUNK) as usize)
    }
}

/// A set of pages: a bit for each, so 1 TiB has room.
pub(crate) struct PageSet(Words);

impl Default for PageSet {
    fn default() -> PageSet {
        PageSet(Words::with_limit(MAX_SET_CHUNKS))
    }
}

impl PageSet {
    /// Adds a page. Returns whether it is new; `None` if the set is full.
    pub(crate) fn insert(&mut self, block: usize, page: u64) -> Option<bool> {
        let word = self.0.entry(block, page / 64)?;
        let bit = 1 << (page % 64);
        let new = *word & bit == 0;
        *word |= bit;
        Some(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_knows_its_pages_and_has_a_limit() {
        let mut set = PageSet::default();
        assert_eq!(set.insert(0, 70), Some(true));
        assert_eq!(set.insert(0, 70), Some(false));
        assert_eq!(set.insert(1, 70), Some(true));
        let pages = CHUNK * 64;
        let full = (0_u64..).find(|n| set.insert(2, n * pages).is_none());
        assert_eq!(full, Some(MAX_SET_CHUNKS as u64 - 2));
        assert_eq!(set.insert(0, 71), Some(true));
    }
}
