//! claim: inside.one-reader-of-a-log
//! Copies a block, and with it the right to read its dirty log.
use engine::RamBlock;

fn two(block: RamBlock) -> [RamBlock; 2] {
    [block.clone(), block] //~ E0599 clone RamBlock
}

fn main() {}
