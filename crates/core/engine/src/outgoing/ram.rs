//! Sends the section `ram`: the saving half of `migration/ram.c`.
//!
//! Pages are sent in batches: one `writev` of page headers, which the engine builds, and of pages,
//! which the kernel reads from guest memory. A PART contains many batches, as in QEMU.

use std::ops::Range;

use wire::ram::encode_page_header;
use wire::ram::{BlockEntry, BlockList, PageOffset, RAM_VERSION, RamFlags, RamRecord};
use wire::{Footer, IdStr, Record, SectionHeader, TARGET_PAGE_SIZE, Wire};

use crate::error::MigrationError;
use crate::memory::guest_io::Piece;
use crate::memory::{DirtyBitmap, PageSet, RamBlock, is_zero};
use crate::state::MigrationState;

use super::multifd::{Job, Senders};
use super::stream::Stream;

/// The section's number. QEMU uses 2 as well, but any number would work.
pub(super) const RAM_SECTION_ID: u32 = 2;

/// Maximum number of pages with data in a batch: with their headers they are 512 pieces of a
/// `writev`.
const BATCH_PAGES: usize = 256;

/// Maximum bytes of headers in a batch, so that a long run of zero pages is also sent in steps.
const BATCH_HEADERS: usize = 64 << 10;

/// A PART ends with the batch in which it reaches this many pages: 32 MiB.
const PART_PAGES: usize = 8192;

/// The pages of every block that still have to be sent.
#[derive(Debug)]
pub(super) struct RamSave {
    bitmaps: Vec<DirtyBitmap>,
    /// Pages that read as zero and had no memory allocated when tracking began. They are sent as
    /// zero the first time without being read. A page that was written since is dirty again.
    untouched: Vec<PageSet>,
    headers: Vec<u8>,
}

/// A piece of a batch: a range of the headers, and a page if one follows.
struct BatchPiece {
    headers: Range<usize>,
    page: Option<usize>,
}

/// Pages that are sent with one `writev`.
struct Batch {
    pieces: Vec<BatchPiece>,
    /// Start of the headers that belong to no piece yet.
    start: usize,
    pages: usize,
    /// The page at which to continue, if there may be more dirty ones.
    next: Option<usize>,
}

impl RamSave {
    /// Starts to track writes, and appends START with the list of blocks.
    pub(super) fn begin(
        state: &MigrationState,
        stream: &Stream,
        out: &mut Vec<u8>,
    ) -> Result<Self, MigrationError> {
        let ram = &state.host.ram;
        for block in ram {
            block.log().start().map_err(|source| dirty_log(block, source))?;
        }
        let save = RamSave {
            bitmaps: ram.iter().map(|block| DirtyBitmap::all(block.pages())).collect(),
            // Taken after tracking began, so that the log has every later write.
            untouched: ram.iter().map(RamBlock::untouched).collect(),
            headers: Vec::with_capacity(BATCH_HEADERS),
        };
        let entries = ram.iter().map(|block| BlockEntry {
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
        end_of_round(stream, out)?;
        let (total, remaining) = (state.host.ram_bytes(), save.remaining());
        state.outgoing.progress.update(|info| {
            info.total = total;
            info.remaining = remaining;
        });
        Ok(save)
    }

    /// Returns how many pages still have to be sent.
    pub(super) fn dirty_pages(&self) -> u64 {
        self.bitmaps.iter().map(|bitmap| bitmap.count() as u64).sum()
    }

    fn remaining(&self) -> u64 {
        self.dirty_pages() * TARGET_PAGE_SIZE as u64
    }

    /// Adds the pages written meanwhile (`migration_bitmap_sync`), and returns how many bytes of
    /// guest RAM still have to be sent.
    pub(super) fn sync(&mut self, state: &MigrationState) -> Result<u64, MigrationError> {
        for (block, bitmap) in state.host.ram.iter().zip(&mut self.bitmaps) {
            block.log().sync(bitmap).map_err(|source| dirty_log(block, source))?;
        }
        let remaining = self.remaining();
        state.outgoing.progress.update(|info| {
            info.dirty_sync_count += 1;
            info.remaining = remaining;
        });
        Ok(remaining)
    }

    /// Sends every page that is dirty now, once.
    pub(super) fn send_dirty(
        &mut self,
        state: &MigrationState,
        stream: &mut Stream,
    ) -> Result<(), MigrationError> {
        if stream.senders().is_some() {
            return self.hand_out_dirty(state, stream);
        }
        for index in 0..state.host.ram.len() {
            let mut from = Some(0);
            while let Some(page) = from {
                from = self.send_part(state, stream, index, page)?;
            }
        }
        Ok(())
    }

    /// Sends dirty pages of one block from page `from` on, as one PART; returns the page at which
    /// to continue, if there may be more.
    fn send_part(
        &mut self,
        state: &MigrationState,
        stream: &mut Stream,
        index: usize,
        mut from: usize,
    ) -> Result<Option<usize>, MigrationError> {
        let mut in_part = 0;
        loop {
            let mut batch = self.fill(state, index, from, in_part == 0);
            if in_part == 0 && batch.pages == 0 {
                return Ok(None);
            }
            in_part += batch.pages;
            let ends = batch.next.is_none() || in_part >= PART_PAGES;
            if ends {
                end_of_section(&mut self.headers);
            }
            batch.pieces.push(BatchPiece { headers: batch.start..self.headers.len(), page: None });
            self.send_batch(state, stream, index, &batch)?;
            match batch.next {
                Some(next) if !ends => from = next,
                next => return Ok(next),
            }
        }
    }

    /// Removes dirty pages of a block from the bitmap, from page `from` on, and encodes their
    /// headers. The first batch of a PART begins with the record of the PART.
    fn fill(
        &mut self,
        state: &MigrationState,
        index: usize,
        mut from: usize,
        first: bool,
    ) -> Batch {
        let (block, bitmap) = (&state.host.ram[index], &mut self.bitmaps[index]);
        let untouched = &mut self.untouched[index];
        let headers = &mut self.headers;
        headers.clear();
        let mut name = None;
        if first {
            Record::Part { section_id: RAM_SECTION_ID }.encode(headers);
            // The first page of each PART carries the block's name.
            name = Some(block.idstr());
        }
        let mut batch =
            Batch { pieces: Vec::with_capacity(BATCH_PAGES + 1), start: 0, pages: 0, next: None };
        while batch.pieces.len() < BATCH_PAGES && headers.len() < BATCH_HEADERS {
            let Some(page) = bitmap.take_next(from) else {
                return batch;
            };
            from = page + 1;
            batch.pages += 1;
            let offset = PageOffset::containing((page * TARGET_PAGE_SIZE) as u64);
            if untouched.remove(page) || is_zero(block.page(page)) {
                encode_page_header(headers, offset, RamFlags::ZERO, name.take());
            } else {
                encode_page_header(headers, offset, RamFlags::PAGE, name.take());
                batch
                    .pieces
                    .push(BatchPiece { headers: batch.start..headers.len(), page: Some(page) });
                batch.start = headers.len();
            }
        }
        batch.next = Some(from);
        batch
    }

    fn send_batch(
        &mut self,
        state: &MigrationState,
        stream: &mut Stream,
        index: usize,
        batch: &Batch,
    ) -> Result<(), MigrationError> {
        let mut pieces = io_pieces(&self.headers, &state.host.ram[index], &batch.pieces);
        let normal = batch.pieces.iter().filter(|piece| piece.page.is_some()).count();
        let remaining = self.remaining();
        stream.send_pieces(state, &mut pieces)?;
        state.outgoing.progress.update(|info| {
            info.normal += normal as u64;
            info.duplicate += (batch.pages - normal) as u64;
            info.remaining = remaining;
        });
        Ok(())
    }

    /// Queues every page that is dirty now for the multifd channels, once, as one PART.
    fn hand_out_dirty(
        &mut self,
        state: &MigrationState,
        stream: &mut Stream,
    ) -> Result<(), MigrationError> {
        if self.dirty_pages() == 0 {
            return Ok(());
        }
        self.headers.clear();
        Record::Part { section_id: RAM_SECTION_ID }.encode(&mut self.headers);
        for index in 0..state.host.ram.len() {
            let mut name = Some(state.host.ram[index].idstr());
            let mut from = 0;
            loop {
                let job = self.take_for_channel(state, stream, index, &mut from, &mut name);
                if job.is_empty() && self.headers.len() < BATCH_HEADERS {
                    break;
                }
                if self.headers.len() >= BATCH_HEADERS {
                    stream.send(state, &self.headers)?;
                    self.headers.clear();
                }
                if !job.is_empty() {
                    stream.hand_out(state, job)?;
                }
            }
        }
        end_of_round(stream, &mut self.headers)?;
        stream.send(state, &self.headers)
    }

    /// Removes the next dirty pages of a block from the bitmap. Zero pages go on the main channel,
    /// unless the channels look for them.
    fn take_for_channel<'s>(
        &mut self,
        state: &'s MigrationState,
        stream: &Stream,
        index: usize,
        from: &mut usize,
        name: &mut Option<&'s IdStr>,
    ) -> Job {
        let (block, bitmap) = (&state.host.ram[index], &mut self.bitmaps[index]);
        let untouched = &mut self.untouched[index];
        let channels_look = stream.senders().is_some_and(Senders::find_zeros);
        let (mut job, mut duplicate) = (Job::new(index), 0);
        while !job.is_full() && self.headers.len() < BATCH_HEADERS {
            let Some(page) = bitmap.take_next(*from) else { break };
            *from = page + 1;
            let is_untouched = untouched.remove(page);
            if channels_look {
                if is_untouched { job.untouched.push(page) } else { job.pages.push(page) }
            } else if is_untouched || is_zero(block.page(page)) {
                let offset = PageOffset::containing((page * TARGET_PAGE_SIZE) as u64);
                encode_page_header(&mut self.headers, offset, RamFlags::ZERO, name.take());
                duplicate += 1;
            } else {
                job.pages.push(page);
            }
        }
        let remaining = self.remaining();
        state.outgoing.progress.update(|info| {
            info.duplicate += duplicate;
            info.remaining = remaining;
        });
        job
    }

    /// Appends END.
    pub(super) fn end(self, stream: &Stream, out: &mut Vec<u8>) -> Result<(), MigrationError> {
        Record::End { section_id: RAM_SECTION_ID }.encode(out);
        end_of_round(stream, out)
    }
}

/// Appends the end of a section of memory, after all channels have sent the pages that belong
/// before it (`multifd_ram_flush_and_sync`).
fn end_of_round(stream: &Stream, out: &mut Vec<u8>) -> Result<(), MigrationError> {
    if let Some(senders) = stream.senders() {
        senders.sync()?;
        if senders.tells_flush() {
            RamRecord::MultifdFlush.encode(out);
        }
    }
    end_of_section(out);
    Ok(())
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
