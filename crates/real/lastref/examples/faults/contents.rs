//! What memory must hold: the workload says it for any number of writes.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use machine::{Ram, Workload};
use migration::{GuestMemory, PAGE_WORDS};

/// Bytes of RAM of every machine here. A run is short, and the memory is still many buffers long.
pub(crate) const MEMORY: usize = 8 << 20;

/// Pages of RAM of every machine here.
pub(crate) const PAGES: usize = MEMORY / PAGE;

/// Which workload the machines run.
pub(crate) const SEED: u64 = 0x6c61_7374_7265_6600;

const PAGE: usize = PAGE_WORDS * size_of::<u64>();

/// Returns the workload that all memory follows.
pub(crate) fn workload() -> Workload {
    Workload::new(SEED, PAGES)
}

/// Compares `ram` with what it must hold after `writes` writes.
pub(crate) fn compare(ram: &Ram, writes: u64) -> Result<(), String> {
    compare_words(ram.words().iter().map(|word| word.load(Ordering::Relaxed)), writes)
}

/// Compares the file at `path` with the memory of a machine that has written nothing.
pub(crate) fn compare_file(path: &Path) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if bytes.len() != MEMORY {
        return Err(format!("{} has {} bytes, not {MEMORY}", path.display(), bytes.len()));
    }
    let (words, _) = bytes.as_chunks();
    compare_words(words.iter().map(|word| u64::from_ne_bytes(*word)), 0)
}

/// Makes the file at `path` the memory of a machine that has written nothing.
pub(crate) fn make_file(path: &Path) -> std::io::Result<()> {
    let workload = workload();
    let mut bytes = Vec::with_capacity(MEMORY);
    for page in 0..PAGES {
        let contents = workload.page(page, 0);
        for word in 0..PAGE_WORDS {
            bytes.extend(contents.word(word).to_ne_bytes());
        }
    }
    fs::write(path, bytes)
}

fn compare_words(words: impl Iterator<Item = u64>, writes: u64) -> Result<(), String> {
    let workload = workload();
    let mut words = words;
    for page in 0..PAGES {
        let contents = workload.page(page, writes);
        for word in 0..PAGE_WORDS {
            let (expected, found) = (contents.word(word), words.next());
            if found != Some(expected) {
                return Err(format!(
                    "after {writes} writes word {word} of page {page} must hold {expected:#x} and \
                     holds {found:#x?}"
                ));
            }
        }
    }
    Ok(())
}
