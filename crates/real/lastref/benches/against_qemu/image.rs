//! RAM images, the same in every run.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::rows::Contents;

const PAGE: usize = 4096;

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// The longest run of pages of one kind where kinds alternate.
const LONGEST_RUN: u64 = 64;

const WORDS: [&str; 16] = [
    "migration",
    "page",
    "the",
    "of",
    "and",
    "guest",
    "memory",
    "to",
    "a",
    "is",
    "dirty",
    "switchover",
    "channel",
    "in",
    "destination",
    "source",
];

/// Makes the file of `bytes` bytes anew.
pub(crate) fn write(path: &Path, contents: Contents, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    if contents == Contents::Untouched {
        return file.set_len(bytes);
    }
    let mut random = Random::new();
    let mut piece = Vec::with_capacity(PIECE + PAGE);
    // What is left of the current run where kinds alternate, and its kind.
    let (mut run, mut zero) = (0, true);
    let mut left = usize::try_from(bytes).map_err(io::Error::other)?;
    while left > 0 {
        let length = PIECE.min(left);
        while piece.len() < length {
            match contents {
                Contents::Random => random.page(&mut piece),
                Contents::Zero | Contents::Untouched => piece.resize(length, 0),
                Contents::Half => {
                    if run == 0 {
                        (run, zero) = (1 + random.next() % LONGEST_RUN, !zero);
                    }
                    run -= 1;
                    if zero {
                        piece.resize(piece.len() + PAGE, 0);
                    } else {
                        random.page(&mut piece);
                    }
                }
                Contents::Text => {
                    piece.extend_from_slice(WORDS[(random.next() >> 60) as usize].as_bytes());
                    piece.push(b' ');
                }
            }
        }
        file.write_all(&piece[..length])?;
        piece.clear();
        left -= length;
    }
    Ok(())
}

/// Marsaglia's xorshift with a multiplied output: enough to fill pages with.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Random(0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn page(&mut self, into: &mut Vec<u8>) {
        into.extend((0..PAGE / 8).flat_map(|_| self.next().to_le_bytes()));
    }
}
