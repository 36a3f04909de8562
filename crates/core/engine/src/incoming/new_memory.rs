//! Writes received pages for which no memory is allocated yet.
//!
//! The first store to a page of a mapped file takes a fault, in which the kernel clears the page
//! that the store then overwrites. If the memory is a shared mapping of a file, a whole page can be
//! written to the file instead. That takes no fault and clears nothing, and a full file system is
//! an error instead of a SIGBUS. Where memory is already allocated, storing is faster.
//! `docs/decisions.md` (*Measured on the way*) has the figures.
//!
//! A write to the file bypasses the mapping, so the machine's own dirty log may not see it (the
//! kernel's write protection does not). No log misses it: a machine starts its log when it is sent,
//! an object sends no machine that still waits or is being received, every thread that writes here
//! has ended by then, and the first pass of a log sends every page.

use std::io::{self, IoSlice};

use wire::TARGET_PAGE_SIZE;

use crate::error::MigrationError;
use crate::state::MigrationState;

/// Writes `bytes`, which are whole pages, to a block's file, starting at page number `first`.
///
/// # Errors
///
/// If the file cannot be written to, or the block has no file.
pub(super) fn write_new(
    state: &MigrationState,
    block: usize,
    first: usize,
    mut bytes: &mut [IoSlice<'_>],
) -> Result<(), MigrationError> {
    let block = &state.host.ram[block];
    let failed = |source| MigrationError::Memory { block: block.idstr().to_string(), source };
    let file = block.shared_file().ok_or_else(|| failed(io::ErrorKind::Unsupported.into()))?;
    let mut offset = (first * TARGET_PAGE_SIZE) as u64;
    while !bytes.is_empty() {
        match rustix::io::pwritev(file, bytes, offset) {
            Ok(0) => return Err(failed(io::ErrorKind::WriteZero.into())),
            Ok(written) => {
                IoSlice::advance_slices(&mut bytes, written);
                offset += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    Ok(())
}
