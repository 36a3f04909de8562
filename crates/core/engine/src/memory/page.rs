//! Tests, fills and clears the words of one page.

use std::sync::atomic::{AtomicU64, Ordering};

/// Returns whether a page is all zero.
///
/// It tests eight words at a time, so that the loads of one step do not wait for each other's test.
pub(crate) fn is_zero(page: &[AtomicU64]) -> bool {
    let (steps, rest) = page.as_chunks::<8>();
    let bits = |words: &[AtomicU64]| {
        words.iter().fold(0, |bits, word| bits | word.load(Ordering::Relaxed))
    };
    steps.iter().all(|step| bits(step) == 0) && bits(rest) == 0
}

/// Copies `bytes`, a page of the stream, to a page of the guest.
pub(crate) fn store(page: &[AtomicU64], bytes: &[u8]) {
    let (words, _) = bytes.as_chunks::<8>();
    for (place, bytes) in page.iter().zip(words) {
        place.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    }
}

/// Clears a page, without writing to it if it is already zero.
pub(crate) fn store_zero(page: &[AtomicU64]) {
    if is_zero(page) {
        return;
    }
    for word in page {
        word.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use wire::TARGET_PAGE_SIZE;

    use super::*;
    use crate::memory::PAGE_WORDS;

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
