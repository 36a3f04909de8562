//! Receives pages on the multifd channels: the receiving half of `migration/multifd.c`.
//!
//! The source connects all of its channels before it ends the first section of the main one. So
//! they are collected there, and their threads started. Each thread receives packets and puts the
//! pages in place. At a SYNC packet it waits until the main channel has reached the same point.

use std::io::{self, IoSlice, Read};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::event::PollFlags;
use wire::multifd::{MULTIFD_PACKET_LEN, MULTIFD_PAGES, MultifdPacket};
use wire::ram::PageOffset;
use wire::{DecodeError, Decoder, TARGET_PAGE_SIZE, Wire};

use crate::attempt::{Begun, fail_from_channel};
use crate::error::MigrationError;
use crate::memory::guest_io::Piece;
use crate::memory::{PageSet, store_zero};
use crate::state::MigrationState;
use crate::status::Direction;
use crate::transport::{Channel, ChannelReader, Event};

use super::connections::Connections;
use super::new_memory::write_new;
use super::place::{ours, page};

/// The multifd channels, each with its thread. Dropping this value closes the connections.
///
/// Their reads block, and end when the channel is shut down: a stop request wakes the thread of the
/// main channel, which drops this value. A poll beside each read, as on the main channel, is slower
/// (`docs/decisions.md`, *Measured on the way*).
pub(super) struct Receivers {
    shared: Arc<Shared>,
    channels: Vec<Arc<Channel>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    /// For each block, the pages that read as zero and have no memory allocated.
    untouched: Vec<Arc<PageSet>>,
    /// The mutex is never held over I/O.
    gate: Mutex<Gate>,
    /// Signals that the main channel has reached the point where the channels wait.
    changed: Condvar,
    /// Signals that a channel has reached a SYNC packet. It is an [`Event`] because the main
    /// channel waits for a stop request at the same time.
    arrived: Event,
}

/// The meeting point of the channels at the end of a pass.
#[derive(Default)]
struct Gate {
    /// Channels that wait at a SYNC packet.
    waiting: usize,
    /// How often the waiting channels were released.
    passes: u64,
    /// A channel that the source has closed, which is an error if more is expected of it.
    closed: Option<u8>,
    /// Whether a channel has failed. Its error was kept.
    broken: bool,
    /// Whether the stream has ended, so that no channel may bring more.
    ended: bool,
    /// The error of a channel that brought more after the end.
    late: Option<MigrationError>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.lock());
        self.changed.notify_all();
        self.arrived.signal();
    }

    /// Waits at a SYNC packet, the next after `passes` others, until the main channel has reached
    /// it.
    fn wait_for_main(&self, passes: u64) {
        self.change(|gate| gate.waiting += 1);
        let waits = |gate: &mut Gate| gate.passes == passes && !gate.broken && !gate.ended;
        let gate = self.changed.wait_while(self.lock(), waits);
        drop(gate.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Receivers {
    /// Collects the channels of `connections`, and starts their threads.
    pub(super) fn start(
        begun: &Begun,
        connections: Connections,
        untouched: Vec<Arc<PageSet>>,
    ) -> Result<Self, MigrationError> {
        let channels = connections.complete(begun.state())?;
        let resources = |what| move |source| MigrationError::Resources { what, source };
        let shared = Shared {
            untouched,
            gate: Mutex::default(),
            changed: Condvar::new(),
            arrived: Event::new().map_err(resources("event descriptor"))?,
        };
        let mut receivers = Receivers {
            shared: Arc::new(shared),
            channels: channels.into_iter().map(Arc::new).collect(),
            threads: Vec::new(),
        };
        for (id, channel) in (0..=u8::MAX).zip(&receivers.channels) {
            channel.set_blocking().map_err(resources("channel that blocks"))?;
            let name = format!("mig/dst/recv_{id}");
            let (owned, shared, channel) =
                (begun.counted_for(&name), Arc::clone(&receivers.shared), Arc::clone(channel));
            let thread = thread::Builder::new().name(name).spawn(move || {
                run(&owned, &shared, &channel, id);
                owned.give_back();
            });
            receivers.threads.push(thread.map_err(resources("thread"))?);
        }
        Ok(receivers)
    }

    /// Waits until every channel has brought what belongs before this point of the main channel,
    /// and releases the channels (`multifd_recv_sync_main`).
    pub(super) fn sync(&self, state: &MigrationState) -> Result<(), MigrationError> {
        let all = self.channels.len();
        loop {
            let mut gate = self.shared.lock();
            if gate.broken {
                // The channel has recorded its error.
                return Err(MigrationError::Stopped);
            }
            if gate.waiting == all {
                gate.waiting = 0;
                gate.passes += 1;
                drop(gate);
                self.shared.changed.notify_all();
                return Ok(());
            }
            if let Some(id) = gate.closed {
                return Err(MigrationError::ChannelClosed { id });
            }
            drop(gate);
            let arrived = &self.shared.arrived;
            let waited = state.incoming.stop.wait_until_ready(arrived.as_fd(), PollFlags::IN);
            waited.map_err(|source| MigrationError::Resources { what: "event", source })?;
            arrived.clear();
        }
    }

    /// Ends the threads when everything is here. A channel that brings more is an error.
    pub(super) fn finish(mut self) -> Result<(), MigrationError> {
        self.end();
        let mut gate = self.shared.lock();
        if gate.broken {
            return Err(MigrationError::Stopped);
        }
        gate.late.take().map_or(Ok(()), Err)
    }

    fn end(&mut self) {
        self.shared.change(|gate| gate.ended = true);
        for channel in &self.channels {
            channel.shut_down();
        }
        for thread in self.threads.drain(..) {
            // The thread catches its own panics.
            let _ = thread.join();
        }
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.end();
    }
}

/// The reason why a channel failed.
enum ChannelError {
    Stream(DecodeError),
    Memory(MigrationError),
}

impl From<DecodeError> for ChannelError {
    fn from(error: DecodeError) -> Self {
        ChannelError::Stream(error)
    }
}

/// Runs a channel's thread.
fn run(state: &MigrationState, shared: &Shared, channel: &Channel, id: u8) {
    let error = match catch_unwind(AssertUnwindSafe(|| receive_all(state, shared, channel))) {
        Ok(Ok(())) => return shared.change(|gate| gate.closed = Some(id)),
        Ok(Err(ChannelError::Stream(source))) => MigrationError::LoadChannel { id, source },
        Ok(Err(ChannelError::Memory(error))) => error,
        Err(panic) => MigrationError::of_panic(panic),
    };
    if shared.lock().ended {
        return shared.change(|gate| gate.late = Some(error));
    }
    fail_from_channel(state, Direction::Incoming, error);
    shared.change(|gate| gate.broken = true);
}

/// Receives packets until the source closes the channel.
fn receive_all(
    state: &MigrationState,
    shared: &Shared,
    channel: &Channel,
) -> Result<(), ChannelError> {
    let mut stage = vec![0; MULTIFD_PAGES * TARGET_PAGE_SIZE];
    let reader = ChannelReader::new(channel, &state.incoming.stop);
    // The decoder buffers one packet and no more, because the pages that follow are read straight
    // to their place.
    let mut input = Decoder::with_capacity(reader, MULTIFD_PACKET_LEN);
    let mut passes = 0;
    // The offset of the last pages that no SYNC packet has followed yet.
    let mut out_of_step = None;
    while input.peek_u8()?.is_some() {
        let at = input.offset();
        let packet = match MultifdPacket::decode(&mut input) {
            // This end has shut the channel down. A QEMU source before 9.0 may send a packet
            // without pages after its last SYNC.
            Err(_) if shared.lock().ended => break,
            packet => packet?,
        };
        if packet.block().is_some() {
            out_of_step = Some(at);
            if shared.lock().ended {
                break;
            }
            receive_pages(state, shared, &mut stage, &mut input, at, &packet)?;
        }
        let (normal, zero) = (packet.normal().len() as u64, packet.zero().len() as u64);
        let transferred = input.offset() - at;
        state.incoming.progress.update(|info| {
            info.normal += normal;
            info.duplicate += zero;
            info.transferred += transferred;
        });
        if packet.is_sync() {
            shared.wait_for_main(passes);
            passes += 1;
            out_of_step = None;
        }
    }
    match out_of_step {
        Some(at) => Err(input.error_at(at, "no pages after the last SYNC packet", "pages").into()),
        None => Ok(()),
    }
}

/// Receives the pages of a packet straight into the block, or through the buffer `stage` if none of
/// them has memory yet.
fn receive_pages(
    state: &MigrationState,
    shared: &Shared,
    stage: &mut [u8],
    input: &mut Decoder<ChannelReader<'_>>,
    at: u64,
    packet: &MultifdPacket,
) -> Result<(), ChannelError> {
    let name = packet.block().map_or("", |block| block.as_str());
    let Some(index) = state.host.ram.iter().position(|block| block.idstr().as_str() == name) else {
        return Err(input.error_at(at, ours(state), format!("RAM block {name:?}")).into());
    };
    let (block, untouched) = (&state.host.ram[index], &shared.untouched[index]);
    let pages = |offsets: &[PageOffset]| -> Result<Vec<usize>, DecodeError> {
        offsets.iter().map(|offset| page(input, at, block, *offset)).collect()
    };
    let (normal, zero) = (pages(packet.normal())?, pages(packet.zero())?);
    if block.shared_file().is_some() && normal.iter().all(|page| untouched.contains(*page)) {
        let mut staged = &mut stage[..normal.len() * TARGET_PAGE_SIZE];
        receive_bytes(input, staged)?;
        for run in normal.chunk_by(|page, next| page + 1 == *next) {
            let (bytes, rest) = staged.split_at_mut(run.len() * TARGET_PAGE_SIZE);
            let bytes = &mut [IoSlice::new(bytes)];
            write_new(state, index, run[0], bytes).map_err(ChannelError::Memory)?;
            staged = rest;
        }
    } else {
        receive_runs(input, &block.runs(&normal))?;
    }
    for page in normal {
        untouched.remove_range(page..page + 1);
    }
    for page in zero.into_iter().filter(|page| !untouched.contains(*page)) {
        store_zero(block.page(page));
    }
    Ok(())
}

/// Fills `runs` of guest memory, in order.
fn receive_runs(
    input: &mut Decoder<ChannelReader<'_>>,
    runs: &[&[AtomicU64]],
) -> Result<(), DecodeError> {
    let mut pieces: Vec<_> = runs.iter().map(|words| Piece::words(words)).collect();
    let mut left = pieces.as_mut_slice();
    while !left.is_empty() {
        let read = read_bytes_of_pages(input, |reader| reader.read_pieces(left))?;
        left = Piece::advance_all(left, read);
    }
    Ok(())
}

/// Fills `bytes`.
fn receive_bytes(
    input: &mut Decoder<ChannelReader<'_>>,
    mut bytes: &mut [u8],
) -> Result<(), DecodeError> {
    while !bytes.is_empty() {
        let read = read_bytes_of_pages(input, |reader| reader.read(bytes))?;
        bytes = &mut bytes[read..];
    }
    Ok(())
}

/// Reads bytes of pages once, at least one byte.
fn read_bytes_of_pages<'a>(
    input: &mut Decoder<ChannelReader<'a>>,
    read: impl FnOnce(&mut ChannelReader<'a>) -> io::Result<usize>,
) -> Result<usize, DecodeError> {
    const EXPECTED: &str = "the bytes of a page";
    let read = input.read_past_buffer(EXPECTED, read)?;
    if read == 0 {
        // The stream has ended. The decoder reports that with the offset and the section.
        input.take(1, EXPECTED)?;
    }
    Ok(read)
}
