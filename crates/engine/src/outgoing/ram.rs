//! Section `ram` on its way out: `migration/ram.c`, the saving half.
//!
//! Pages go in batches: one `writev` of page headers, which are ours, and pages, which the
//! kernel takes from guest memory. Each batch is a PART of its own.

use std::ops::Range;

use wire::ram::encode_page_header;
use wire::ram::{BlockEntry, BlockList, PageOffset, RAM_VERSION, RamFlags, RamRecord};
use wire::{Footer, IdStr, Record, SectionHeader, TARGET_PAGE_SIZE, Wire};

use crate::error::MigrationError;
use crate::guest_io::Piece;
use crate::ram::{DirtyBitmap, RamBlock, is_zero};
use crate::state::MigrationState;

use super::stream::Stream;

/// The section's number; QEMU's is 2 as well, and any would do.
pub(super) const RAM_SECTION_ID: u32 = 2;

/// Most pages with data in a batch: with their headers they are 512 pieces of a `writev`.
const BATCH_PAGES: usize = 256;

/// Most bytes of headers in a batch, so that zero pages are sent now and then as well.
const BATCH_HEADERS: usize = 64 << 10;

/// The pages that still have to go, of every block.
#[derive(Debug)]
pub(super) struct RamSave {
    bitmaps: Vec<DirtyBitmap>,
    headers: Vec<u8>,
}

/// A piece of a batch: a range of the headers, then perhaps a page.
struct BatchPiece {
    headers: Range<usize>,
    page: Option<usize>,
}

impl RamSave {
    pub(super) fn new(state: &MigrationState) -> Self {
        RamSave {
            bitmaps: state.host.ram.iter().map(|block| DirtyBitmap::all(block.pages())).collect(),
            headers: Vec::with_capacity(BATCH_HEADERS),
        }
    }

    /// Begins to track writes, and sends START with the list of blocks.
    pub(super) fn start(
        &mut self,
        state: &MigrationState,
        out: &mut Vec<u8>,
    ) -> Result<(), MigrationError> {
        for block in &state.host.ram {
            block.log().start().map_err(|source| dirty_log(block, source))?;
        }
        let entries = state.host.ram.iter().map(|block| BlockEntry {
            idstr: block.idstr().clone(),
            used_length: block.used_length(),
        });
        let Ok(list) = BlockList::new(entries) else {
            unreachable!("the names of a host's RAM blocks differ and each has whole pages");
        };
        let Ok(idstr) = IdStr::new("ram") else {
            unreachable!("the name of the section is short");
        };
        Record::Start(SectionHeader {
            section_id: RAM_SECTION_ID,
            idstr,
            instance_id: 0,
            version_id: RAM_VERSION,
        })
        .encode(out);
        RamRecord::BlockList(list).encode(out);
        end_of_section(out);
        Ok(())
    }

    /// Bytes of guest RAM that still have to go.
    pub(super) fn remaining(&self) -> u64 {
        let pages: usize = self.bitmaps.iter().map(DirtyBitmap::count).sum();
        (pages * TARGET_PAGE_SIZE) as u64
    }

    /// Adds the pages written meanwhile (`migration_bitmap_sync`).
    pub(super) fn sync(&mut self, state: &MigrationState) -> Result<(), MigrationError> {
        for (block, bitmap) in state.host.ram.iter().zip(&mut self.bitmaps) {
            block.log().sync(bitmap).map_err(|source| dirty_log(block, source))?;
        }
        let remaining = self.remaining();
        state.outgoing.progress.update(|info| {
            info.dirty_sync_count += 1;
            info.remaining = remaining;
        });
        Ok(())
    }

    /// Sends every page that is dirty now, once. With `limited`, at most at `max-bandwidth`.
    pub(super) fn send_dirty(
        &mut self,
        state: &MigrationState,
        stream: &mut Stream,
        limited: bool,
    ) -> Result<(), MigrationError> {
        for index in 0..state.host.ram.len() {
            let mut from = 0;
            while let Some(next) = self.send_batch(state, stream, index, from, limited)? {
                from = next;
            }
        }
        Ok(())
    }

    /// Sends dirty pages of one block from page `from` on, as one PART; returns the page to
    /// go on with.
    fn send_batch(
        &mut self,
        state: &MigrationState,
        stream: &mut Stream,
        index: usize,
        mut from: usize,
        limited: bool,
    ) -> Result<Option<usize>, MigrationError> {
        let (block, bitmap) = (&state.host.ram[index], &mut self.bitmaps[index]);
        let headers = &mut self.headers;
        headers.clear();
        Record::Part { section_id: RAM_SECTION_ID }.encode(headers);

        let mut pieces = Vec::with_capacity(BATCH_PAGES + 1);
        let (mut start, mut normal, mut duplicate) = (0, 0, 0);
        // The name goes with the first page of each PART.
        let mut name = Some(block.idstr());
        while pieces.len() < BATCH_PAGES && headers.len() < BATCH_HEADERS {
            let Some(page) = bitmap.take_next(from) else {
                break;
            };
            from = page + 1;
            let offset = PageOffset::containing((page * TARGET_PAGE_SIZE) as u64);
            if is_zero(block.page(page)) {
                encode_page_header(headers, offset, RamFlags::ZERO, name.take());
                duplicate += 1;
            } else {
                encode_page_header(headers, offset, RamFlags::PAGE, name.take());
                pieces.push(BatchPiece { headers: start..headers.len(), page: Some(page) });
                start = headers.len();
                normal += 1;
            }
        }
        if normal + duplicate == 0 {
            return Ok(None);
        }
        end_of_section(headers);
        pieces.push(BatchPiece { headers: start..headers.len(), page: None });

        let before = stream.sent();
        stream.send_pieces(state, &mut io_pieces(headers, block, &pieces))?;
        let sent = stream.sent();
        let remaining = self.remaining();
        state.outgoing.progress.update(|info| {
            info.normal += normal;
            info.duplicate += duplicate;
            info.transferred = sent;
            info.remaining = remaining;
        });
        if limited {
            stream.keep_to_bandwidth(state, sent - before)?;
        }
        Ok(Some(from))
    }

    /// Appends END.
    pub(super) fn end(out: &mut Vec<u8>) {
        Record::End { section_id: RAM_SECTION_ID }.encode(out);
        end_of_section(out);
    }
}

fn end_of_section(out: &mut Vec<u8>) {
    RamRecord::EndOfSection.encode(out);
    Footer { section_id: RAM_SECTION_ID }.encode(out);
}

fn io_pieces<'a>(headers: &'a [u8], block: &'a RamBlock, pieces: &[BatchPiece]) -> Vec<Piece<'a>> {
    let mut io_pieces = Vec::with_capacity(2 * pieces.len());
    for piece in pieces {
        io_pieces.push(Piece::bytes(&headers[piece.headers.clone()]));
        io_pieces.extend(piece.page.map(|page| Piece::words(block.page(page))));
    }
    io_pieces
}

fn dirty_log(block: &RamBlock, source: std::io::Error) -> MigrationError {
    MigrationError::DirtyLog { block: block.idstr().to_string(), source }
}
