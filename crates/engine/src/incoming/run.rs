//! Receiving pages straight into guest memory.
//!
//! Pages mostly come in the order of their addresses. So behind the rest of a page whose head
//! was read, room is offered for the next head, the next page, and so on, and one `readv` puts
//! all of them where they belong. Then the heads are looked at: what stands behind the first one
//! that is not as guessed goes back to the decoder's buffer and is read in the ordinary way.
//!
//! A wrong guess spoils the pages it was put into. So only pages that no record has brought yet
//! are guessed, and those spoiled are told to the caller.
//!
//! Against reading into a buffer and copying from there, as QEMU does, the CPU that the destination
//! spends outside the kernel on 1 GiB of random pages fell from 0.08 s to 0.04 s. The rate did not
//! change where the source was the slower end (row `random, preallocated` of the bench
//! `against_qemu`).

use std::sync::atomic::AtomicU64;

use wire::ram::{PageOffset, RamFlags, continued_page_header};
use wire::{DecodeError, Decoder, TARGET_PAGE_SIZE};

use crate::channel::ChannelReader;
use crate::guest_io::{MAX_PIECES, Room};
use crate::ram::{PAGE_WORDS, load, store};
use crate::state::MigrationState;

/// Most pages received at once; more than a socket's buffer holds.
pub(super) const MOST: usize = 128;
const _: () = assert!(2 * MOST <= MAX_PIECES, "each has two rooms");

/// Bytes of the head of a page that is of the same block as the one before.
const HEAD: usize = 8;

/// A page and the head of the next one.
const STRIDE: usize = TARGET_PAGE_SIZE + HEAD;

const EXPECTED: &str = "the bytes of a page";

/// Receives runs of pages.
pub(super) struct RunReader {
    heads: Box<[[u8; HEAD]; MOST]>,
    /// How many pages are guessed next: twice as many as the last run had.
    guess: usize,
    returned: Vec<u8>,
}

/// What one run brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Pages received.
    pub(super) received: usize,
    /// Pages after those that hold something else now.
    pub(super) spoiled: usize,
    /// The head of the page after those received was read as well.
    pub(super) next_head: bool,
}

impl RunReader {
    pub(super) fn new() -> Self {
        RunReader { heads: Box::new([[0; HEAD]; MOST]), guess: MOST, returned: Vec::new() }
    }

    /// Receives page `first` of block number `index`, the head of which was read, and those which
    /// follow it in the stream as they do in the block, into `place`, which is the block from that
    /// page on, or stands for it. At most `most` pages, and at least 1, may be stored to.
    pub(super) fn receive(
        &mut self,
        state: &MigrationState,
        input: &mut Decoder<ChannelReader<'_>>,
        index: usize,
        first: usize,
        place: &[AtomicU64],
        most: usize,
    ) -> Result<Run, DecodeError> {
        if input.buffered() >= TARGET_PAGE_SIZE {
            store(place, input.take(TARGET_PAGE_SIZE, EXPECTED)?);
            return Ok(Run { received: 1, spoiled: 0, next_head: false });
        }
        let mut filled = input.buffered();
        store(place, input.take(filled, EXPECTED)?);

        let pages = most.min(self.guess).min(MOST);
        // The last page has a head behind it too, if a page can follow it.
        let can_follow = first + pages < state.host.ram[index].pages();
        let heads = if can_follow { pages } else { pages - 1 };
        let bytes = pages * TARGET_PAGE_SIZE + heads * HEAD;
        let mut received = 0;
        while filled < bytes {
            let mut rooms = self.rooms(place, pages, heads, filled);
            let read = |reader: &mut ChannelReader<'_>| reader.read_rooms(&mut rooms);
            match input.read_past_buffer(EXPECTED, read)? {
                0 => return self.cut_short(state, input, place, filled),
                n => filled += n,
            }
            // Heads that are whole now.
            while received < heads && filled >= (received + 1) * STRIDE {
                received += 1;
                if self.heads[received - 1] != head(first + received) {
                    let spoiled = self.give_back(input, place, received, filled);
                    self.guess = received;
                    return Ok(Run { received, spoiled, next_head: false });
                }
            }
        }
        self.guess = 2 * pages;
        Ok(Run { received: pages, spoiled: 0, next_head: heads == pages })
    }

    /// Room for what is missing of the guess when `filled` bytes of it have come.
    fn rooms<'a>(
        &'a mut self,
        place: &'a [AtomicU64],
        pages: usize,
        heads: usize,
        filled: usize,
    ) -> Vec<Room<'a>> {
        let (whole, mut part) = (filled / STRIDE, filled % STRIDE);
        let mut rooms = Vec::with_capacity(2 * (pages - whole));
        for (index, head) in self.heads.iter_mut().enumerate().take(pages).skip(whole) {
            rooms.push(Room::words(page(place, index)).after(part.min(TARGET_PAGE_SIZE)));
            if index < heads {
                rooms.push(Room::bytes(head).after(part.saturating_sub(TARGET_PAGE_SIZE)));
            }
            part = 0;
        }
        rooms
    }

    /// The stream ended after `filled` bytes: lets the decoder come to its end and say so.
    fn cut_short(
        &mut self,
        _state: &MigrationState,
        input: &mut Decoder<ChannelReader<'_>>,
        place: &[AtomicU64],
        filled: usize,
    ) -> Result<Run, DecodeError> {
        let (whole, part) = (filled / STRIDE, filled % STRIDE);
        if let Some(part) = part.checked_sub(TARGET_PAGE_SIZE) {
            input.unread(&self.heads[whole][..part]);
        } else {
            let page = page(place, whole);
            self.returned.clear();
            load(page, part, &mut self.returned);
            input.unread(&self.returned);
            store(page, input.take(TARGET_PAGE_SIZE, EXPECTED)?);
        }
        Ok(Run { received: whole + 1, spoiled: 0, next_head: false })
    }

    /// Gives everything from the head behind page number `received` on back to `input`; returns
    /// how many pages it was put into.
    fn give_back(
        &mut self,
        input: &mut Decoder<ChannelReader<'_>>,
        place: &[AtomicU64],
        received: usize,
        filled: usize,
    ) -> usize {
        let returned = &mut self.returned;
        returned.clear();
        returned.extend_from_slice(&self.heads[received - 1]);
        let (mut index, mut left) = (received, filled - received * STRIDE);
        while left > 0 {
            let part = left.min(TARGET_PAGE_SIZE);
            load(page(place, index), part, returned);
            let head = (left - part).min(HEAD);
            returned.extend_from_slice(&self.heads[index][..head]);
            left -= part + head;
            index += 1;
        }
        input.unread(returned);
        index - received
    }
}

/// Page number `index` of `place`.
fn page(place: &[AtomicU64], index: usize) -> &[AtomicU64] {
    &place[index * PAGE_WORDS..][..PAGE_WORDS]
}

/// The head of page `page`, if the one before was of the same block.
fn head(page: usize) -> [u8; HEAD] {
    let offset = PageOffset::containing((page * TARGET_PAGE_SIZE) as u64);
    continued_page_header(offset, RamFlags::PAGE)
}
