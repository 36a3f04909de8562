//! The channels beside the main one on their way in: `migration/multifd.c`, the receiving half.
//!
//! The source connects all of its channels before it ends the first section of the main one. So
//! they are taken there, with their threads. Each thread receives packets and puts the pages where
//! they belong; at a SYNC packet it waits until the main channel has come to the same place.

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

/// The channels, each with its thread. Dropping them breaks them off.
///
/// Their reads block, and end when the channel is shut down: a request to stop wakes the thread of
/// the main channel, which drops this. With a poll beside each read, as on the main channel, 1 GiB
/// from a QEMU with two channels took 0.21 s, and takes 0.18 s.
pub(super) struct Receivers {
    shared: Arc<Shared>,
    channels: Vec<Arc<Channel>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    /// Of each block, the pages that hold zeros and have no memory behind them.
    untouched: Vec<Arc<PageSet>>,
    /// Never held over I/O.
    gate: Mutex<Gate>,
    /// The main channel has come to a channel that waits.
    changed: Condvar,
    /// A channel has come to the main one. It waits for a request to stop as well.
    arrived: Event,
}

/// Where the passes meet.
#[derive(Default)]
struct Gate {
    /// Channels that wait at a SYNC packet.
    waiting: usize,
    /// How often they were let go on.
    passes: u64,
    /// A channel that the source has closed: an error if more is expected of it.
    closed: Option<u8>,
    /// A channel could not go on, and its error was kept.
    broken: bool,
    /// Nothing may come any more.
    ended: bool,
    /// What came all the same.
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

    /// A channel has come to a SYNC packet, the next after `passes` others.
    fn wait_for_main(&self, passes: u64) {
        self.change(|gate| gate.waiting += 1);
        let waits = |gate: &mut Gate| gate.passes == passes && !gate.broken && !gate.ended;
        let gate = self.changed.wait_while(self.lock(), waits);
        drop(gate.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Receivers {
    /// Takes the channels of `connections`, and starts their threads.
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

    /// Waits until every channel has brought what belongs before this place of the main channel,
    /// and lets them go on (`multifd_recv_sync_main`).
    pub(super) fn sync(&self, state: &MigrationState) -> Result<(), MigrationError> {
        let all = self.channels.len();
        loop {
            let mut gate = self.shared.lock();
            if gate.broken {
                // The channel has recorded why.
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

    /// Ends the threads when everything is here; a channel that has more to bring is an error.
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
            // What a thread does is caught there.
            let _ = thread.join();
        }
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why a channel could not go on.
enum ChannelError {
    Stream(DecodeError),
    Memory(MigrationError),
}

impl From<DecodeError> for ChannelError {
    fn from(error: DecodeError) -> Self {
        ChannelError::Stream(error)
    }
}

/// A channel's thread.
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
    // It buffers one packet and no more: what follows goes where it belongs.
    let mut input = Decoder::with_capacity(reader, MULTIFD_PACKET_LEN);
    let mut passes = 0;
    // Where the last pages are that no SYNC packet has followed yet.
    let mut out_of_step = None;
    while input.peek_u8()?.is_some() {
        let at = input.offset();
        let packet = match MultifdPacket::decode(&mut input) {
            // Cut off by us. A source of QEMU before 9.0 may send a packet without pages after
            // its last SYNC.
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

/// Receives the pages of a packet straight into the block, or by way of the stage if none of
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

/// Fills `runs` of guest memory, one after the other.
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

/// One read of what belongs to pages, at least a byte.
fn read_bytes_of_pages<'a>(
    input: &mut Decoder<ChannelReader<'a>>,
    read: impl FnOnce(&mut ChannelReader<'a>) -> io::Result<usize>,
) -> Result<usize, DecodeError> {
    const EXPECTED: &str = "the bytes of a page";
    let read = input.read_past_buffer(EXPECTED, read)?;
    if read == 0 {
        // It has ended, and says so again with all it knows.
        input.take(1, EXPECTED)?;
    }
    Ok(read)
}
