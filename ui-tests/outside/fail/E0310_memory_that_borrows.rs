//! claim: face.machine-is-owned
//! Hands over memory that may be unmapped while a migration still sends it.
use std::sync::Arc;

use machine::NeverDirty;
use migration::{GuestMemory, RamBlock, RamSizeError};
use wire::IdStr;

fn block<M: GuestMemory>(name: IdStr, memory: M) -> Result<RamBlock, RamSizeError> {
    RamBlock::new(name, Arc::new(memory), Box::new(NeverDirty)) //~ E0310
}

fn main() {}
