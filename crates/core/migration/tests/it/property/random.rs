//! Random choices that a seed plays again.

use std::sync::{Arc, Mutex};
use std::thread;

use migration::{MigMode, MigModes};
use test_support::machine::lock;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    pub(crate) fn modes(&mut self) -> MigModes {
        let some = MigModes::from(self.one(&MODES)) | self.one(&MODES).into();
        if self.below(3) == 0 { MigModes::ALL } else { some }
    }
}

pub(crate) const MODES: [MigMode; 4] =
    [MigMode::Normal, MigMode::CprReboot, MigMode::CprTransfer, MigMode::CprExec];

/// The seeds to play: the one that is asked for, or all.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("LASTREF_SEED") {
        Ok(seed) => vec![seed.parse().expect("LASTREF_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

/// Says how to play a sequence again, if it fails.
pub(crate) struct SaySeed(pub(crate) u64, pub(crate) Arc<Mutex<String>>);

impl Drop for SaySeed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("LASTREF_SEED={} plays it again:{}", self.0, lock(&self.1));
        }
    }
}
