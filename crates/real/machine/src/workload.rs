//! A workload that can be checked to the last write.
//!
//! Write number `k` goes to one word of one page, and which word and what value follow from
//! `k` alone. So what any word must hold after `n` writes can be computed, without a record
//! of the writes and without a second copy of the memory:
//!
//! * the page is `k * stride` modulo the number of pages, the stride being coprime to it, so
//!   that each *round* of as many writes as there are pages touches every page once;
//! * the word within the page is the number of the round modulo the words of a page;
//! * the value is a hash of `k`, and before the first write the word has its initial value,
//!   a hash of its place.
//!
//! A lost or repeated write, a page that arrived stale or torn, a machine that resumes at another
//! write than it stopped at: each leaves a word that differs.

use std::sync::atomic::{AtomicU64, Ordering};

use migration::PAGE_WORDS;

const WORDS: u64 = PAGE_WORDS as u64;

/// The workload of a machine with a number of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    seed: u64,
    pages: u64,
    stride: u64,
    inverse: u64,
}

/// A write: its place, the value that must be there before, and the new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Index of the page.
    pub page: usize,
    /// Index of the word in the page.
    pub word: usize,
    /// Value of the word before the write.
    pub old: u64,
    /// Value of the word after the write.
    pub new: u64,
}

/// Hashes `value` with the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable
/// Pseudorandom Number Generators, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Returns the inverse of `value` modulo `modulus`, if they are coprime.
fn inverse(value: u64, modulus: u64) -> Option<u64> {
    // Euclid's algorithm, keeping old * value = r (mod modulus).
    let (mut r, mut next_r) = (i128::from(modulus), i128::from(value));
    let (mut t, mut next_t) = (0_i128, 1_i128);
    while next_r != 0 {
        let quotient = r / next_r;
        (r, next_r) = (next_r, r - quotient * next_r);
        (t, next_t) = (next_t, t - quotient * next_t);
    }
    (r == 1).then(|| t.rem_euclid(i128::from(modulus)) as u64)
}

impl Workload {
    /// Makes the workload of a machine with `pages` pages. The contents depend on `seed`.
    ///
    /// # Panics
    ///
    /// If there are no pages.
    pub fn new(seed: u64, pages: usize) -> Self {
        assert!(pages > 0, "a workload needs a page to write to");
        let pages = pages as u64;
        // Near the golden section of the pages, so that successive writes are far apart.
        let golden = (u128::from(pages) * 618 / 1000) as u64;
        let (stride, inverse) = (golden.max(1)..)
            .find_map(|stride| Some((stride, inverse(stride % pages, pages)?)))
            .unwrap_or((1, 0));
        Workload { seed, pages, stride, inverse }
    }

    /// Returns write number `k`.
    pub fn write(&self, k: u64) -> Write {
        let page = (u128::from(k) * u128::from(self.stride) % u128::from(self.pages)) as usize;
        let word = (k / self.pages % WORDS) as usize;
        let old = match k.checked_sub(self.pages * WORDS) {
            Some(before) => self.value(before),
            None => self.page(page, 0).initial(word),
        };
        Write { page, word, old, new: self.value(k) }
    }

    fn value(&self, k: u64) -> u64 {
        mix(self.seed ^ mix(k))
    }

    /// Returns the contents of a page after `writes` writes.
    pub fn page(&self, page: usize, writes: u64) -> Page {
        let page = page as u64;
        // The first write to this page, and the number of its finished rounds.
        let first = (u128::from(page) * u128::from(self.inverse) % u128::from(self.pages)) as u64;
        let rounds = writes.saturating_sub(first).div_ceil(self.pages);
        let hash = mix(self.seed ^ mix(!page));
        Page { workload: *self, first, rounds, hash }
    }

    /// Fills memory with the initial contents, as long as `goes_on` returns `true`. The memory has
    /// as many pages as the workload.
    pub fn fill(&self, words: &[AtomicU64], goes_on: impl Fn() -> bool) {
        let pages = words.chunks_exact(PAGE_WORDS).enumerate();
        for (page, words) in pages.take_while(|_| goes_on()) {
            let contents = self.page(page, 0);
            for (word, place) in words.iter().enumerate() {
                let value = contents.word(word);
                // A page of zeros stays untouched and takes no memory.
                if value != 0 {
                    place.store(value, Ordering::Relaxed);
                }
            }
        }
    }

    /// Compares memory with its expected contents after `writes` writes, while nothing writes to it.
    ///
    /// # Errors
    ///
    /// If a word differs. The error names the first.
    pub fn verify(&self, words: &[AtomicU64], writes: u64) -> Result<Verified, Mismatch> {
        for (page, words) in words.chunks_exact(PAGE_WORDS).enumerate() {
            let contents = self.page(page, writes);
            for (word, place) in words.iter().enumerate() {
                let (expected, found) = (contents.word(word), place.load(Ordering::Relaxed));
                if expected != found {
                    return Err(Mismatch { page, word, expected, found, writes });
                }
            }
        }
        Ok(Verified { pages: words.len() / PAGE_WORDS })
    }
}

/// The result of a comparison in which every page was as expected.
#[derive(Debug, Clone, Copy)]
pub struct Verified {
    /// Number of pages compared.
    pub pages: usize,
}

/// An error of [`Workload::verify`]: a word that differs from what the workload wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "after {writes} writes word {word} of page {page} must hold {expected:#018x} and holds \
     {found:#018x}"
)]
pub struct Mismatch {
    /// Index of the page.
    pub page: usize,
    /// Index of the word in the page.
    pub word: usize,
    /// Expected value.
    pub expected: u64,
    /// Value found.
    pub found: u64,
    /// Number of writes done.
    pub writes: u64,
}

/// The contents of one page at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    workload: Workload,
    first: u64,
    rounds: u64,
    hash: u64,
}

impl Page {
    /// Returns the value of word `word`.
    pub fn word(&self, word: usize) -> u64 {
        match self.rounds.checked_sub(word as u64 + 1) {
            Some(later) => {
                let round = word as u64 + later / WORDS * WORDS;
                self.workload.value(self.first + round * self.workload.pages)
            }
            None => self.initial(word),
        }
    }

    /// Returns the value of a word before the first write. A quarter of the pages is zero, as in a
    /// guest with free memory; an eighth repeats one word; the others look random.
    fn initial(&self, word: usize) -> u64 {
        match self.hash % 8 {
            0 | 1 => 0,
            2 => self.hash,
            _ => mix(self.hash.wrapping_add(word as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the computed contents with an array to which every write is applied in turn.
    #[test]
    fn what_is_computed_for_any_moment_is_what_the_writes_leave() {
        for pages in [1, 2, 3, 5, 8, 64] {
            let workload = Workload::new(7, pages);
            let mut memory: Vec<Vec<u64>> = (0..pages)
                .map(|page| {
                    let initial = workload.page(page, 0);
                    (0..PAGE_WORDS).map(|word| initial.word(word)).collect()
                })
                .collect();
            // More than one round over all words of all pages.
            for k in 0..(pages * PAGE_WORDS * 2 + 17) as u64 {
                let write = workload.write(k);
                assert_eq!(memory[write.page][write.word], write.old, "{pages} pages, write {k}");
                memory[write.page][write.word] = write.new;
                if k.is_multiple_of(509) {
                    for (page, words) in memory.iter().enumerate() {
                        let expected = workload.page(page, k + 1);
                        for (word, found) in words.iter().enumerate() {
                            assert_eq!(*found, expected.word(word), "{pages} pages, write {k}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn each_round_touches_every_page_once() {
        for pages in [1_usize, 2, 7, 100, 4096] {
            let workload = Workload::new(1, pages);
            let mut touched = vec![false; pages];
            for k in 0..pages as u64 {
                assert!(!std::mem::replace(&mut touched[workload.write(k).page], true));
            }
        }
    }

    #[test]
    fn a_quarter_of_the_pages_is_zero_at_first() {
        let workload = Workload::new(1, 4096);
        let zero = (0..4096)
            .filter(|page| (0..PAGE_WORDS).all(|word| workload.page(*page, 0).word(word) == 0))
            .count();
        assert!((900..1150).contains(&zero), "{zero}");
    }
}
