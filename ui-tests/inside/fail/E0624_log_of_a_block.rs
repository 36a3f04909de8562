//! claim: inside.one-reader-of-a-log
//! Reads the dirty log of a block beside the migration.
use engine::RamBlock;

fn stop(block: &RamBlock) -> usize {
    block.log().stop(); //~ E0624 log
    block.pages()
}

fn main() {}
