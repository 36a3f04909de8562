//! claim: inside.one-reader-of-a-log
//! Copies a block, and with it the right to read its dirty log.
use engine::RamBlock;

fn two(block: RamBlock) -> [RamBlock; 1] {
    [block]
}

fn main() {}
