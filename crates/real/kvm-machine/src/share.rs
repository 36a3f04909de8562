//! The pages of `ram` that one vCPU writes to.
//!
//! Each vCPU has a workload of its own, so what each page must hold follows from the positions of
//! the vCPUs alone, however they ran beside each other.

use std::ops::Range;
use std::sync::atomic::AtomicU64;

use machine::{Mismatch, Ram, Verified, Workload};
use migration::{GuestMemory, PAGE_WORDS};

/// The share of one vCPU.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pages: Range<usize>,
    index: usize,
}

impl Share {
    /// Returns the share of vCPU `index` of `vcpus`. The last also has what is left over.
    pub(crate) fn of(ram: &Ram, vcpus: usize, index: usize) -> Self {
        let pages = ram.words().len() / PAGE_WORDS;
        let each = pages / vcpus;
        let end = if index + 1 == vcpus { pages } else { (index + 1) * each };
        Share { pages: index * each..end, index }
    }

    pub(crate) fn first_page(&self) -> u64 {
        self.pages.start as u64
    }

    pub(crate) fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Returns the seed of this vCPU's workload in a machine with `seed`.
    pub(crate) fn seed(&self, seed: u64) -> u64 {
        seed.wrapping_add(self.index as u64)
    }

    pub(crate) fn workload(&self, seed: u64) -> Workload {
        Workload::new(self.seed(seed), self.pages.len())
    }

    fn words<'r>(&self, ram: &'r Ram) -> &'r [AtomicU64] {
        &ram.words()[self.pages.start * PAGE_WORDS..self.pages.end * PAGE_WORDS]
    }

    pub(crate) fn fill(&self, ram: &Ram, seed: u64, goes_on: impl Fn() -> bool) {
        self.workload(seed).fill(self.words(ram), goes_on);
    }

    /// Compares the share with its expected contents after `writes` writes.
    pub(crate) fn verify(&self, ram: &Ram, seed: u64, writes: u64) -> Result<Verified, Mismatch> {
        self.workload(seed)
            .verify(self.words(ram), writes)
            .map_err(|mismatch| Mismatch { page: self.pages.start + mismatch.page, ..mismatch })
    }
}
