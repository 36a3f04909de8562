//! Sends pages on the multifd channels: the sending half of `migration/multifd.c`.
//!
//! The migration thread divides the dirty pages into jobs. Each free channel takes the next job,
//! looks for zero pages, and sends a packet and its pages with one `writev`. Before the next pass,
//! every channel has sent all pages of this pass and a SYNC packet after them. At the SYNC packets
//! the destination waits for all channels, so that a page of one pass cannot overwrite the same
//! page of the next.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use wire::multifd::{MULTIFD_PACKET_LEN, MULTIFD_PAGES, MultifdInit, MultifdPacket};
use wire::ram::PageOffset;
use wire::{TARGET_PAGE_SIZE, Wire};

use crate::attempt::{Begun, fail_from_channel};
use crate::error::MigrationError;
use crate::memory::guest_io::Piece;
use crate::memory::is_zero;
use crate::parameters::ZeroPageDetection;
use crate::sigpipe::hold_back_sigpipe;
use crate::state::MigrationState;
use crate::status::Direction;
use crate::transport::{Channel, Endpoint};

use super::stream::broken;

/// Maximum number of queued jobs per channel.
const WAITING: usize = 2;

/// Dirty pages of one block, for one packet.
#[derive(Debug)]
pub(super) struct Job {
    block: usize,
    pub(super) pages: Vec<usize>,
    /// Pages that are known to be zero.
    pub(super) untouched: Vec<usize>,
}

impl Job {
    /// Makes an empty job for pages of block number `block`.
    pub(super) fn new(block: usize) -> Self {
        Job { block, pages: Vec::with_capacity(MULTIFD_PAGES), untouched: Vec::new() }
    }

    fn len(&self) -> usize {
        self.pages.len() + self.untouched.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() == MULTIFD_PAGES
    }
}

/// The next task of a channel.
enum Work {
    Send(Job),
    Sync,
}

/// The connected channels, each with its thread. Dropping this value closes the connections.
#[derive(Debug)]
pub(super) struct Senders {
    shared: Arc<Shared>,
    channels: Vec<Arc<Channel>>,
    threads: Vec<JoinHandle<()>>,
}

/// The state that the threads share.
#[derive(Debug)]
struct Shared {
    /// The parameters that the destination expects, as they were when the migration began.
    flush_after_each_section: bool,
    zero_page_detection: ZeroPageDetection,
    /// The mutex is never held over I/O.
    queue: Mutex<Queue>,
    /// Signals that there is work, or that there will be no more.
    work: Condvar,
    /// Signals that a channel has finished a task or failed.
    done: Condvar,
    packets: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Channels that work on a job.
    busy: usize,
    /// How often the channels were asked to synchronise.
    syncs: u64,
    /// Channels that have not synchronised yet.
    to_sync: usize,
    /// Whether there will be no more work.
    ended: bool,
    /// Whether a channel has failed.
    broken: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready` returns `true`; returns an error if a channel fails.
    fn wait_until(
        &self,
        ready: impl Fn(&Queue) -> bool,
    ) -> Result<MutexGuard<'_, Queue>, MigrationError> {
        let waiting = |queue: &mut Queue| !queue.broken && !ready(queue);
        let queue = self.done.wait_while(self.lock(), waiting);
        let queue = queue.unwrap_or_else(PoisonError::into_inner);
        // The channel has recorded its error.
        if queue.broken { Err(MigrationError::Stopped) } else { Ok(queue) }
    }

    /// Waits for the next task of a channel that has synchronised `syncs` times.
    fn next(&self, syncs: u64) -> Option<Work> {
        let idle = |queue: &mut Queue| {
            !queue.ended && !queue.broken && queue.jobs.is_empty() && queue.syncs == syncs
        };
        let mut queue =
            self.work.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        if queue.ended || queue.broken {
            return None;
        }
        let Some(job) = queue.jobs.pop_front() else {
            return Some(Work::Sync);
        };
        queue.busy += 1;
        self.done.notify_all();
        Some(Work::Send(job))
    }

    fn has_done(&self, work: &Work) {
        let mut queue = self.lock();
        match work {
            Work::Send(_) => queue.busy -= 1,
            Work::Sync => queue.to_sync -= 1,
        }
        self.done.notify_all();
    }

    fn end(&self, broken: bool) {
        let mut queue = self.lock();
        queue.ended = true;
        queue.broken |= broken;
        self.work.notify_all();
        self.done.notify_all();
    }
}

impl Senders {
    /// Connects `multifd-channels` channels to `endpoint`, after the main one.
    pub(super) fn connect(begun: &Begun, endpoint: &mut Endpoint) -> Result<Self, MigrationError> {
        let state = begun.state();
        let parameters = state.parameters();
        let mut senders = Senders {
            shared: Arc::new(Shared {
                flush_after_each_section: parameters.multifd_flush_after_each_section,
                zero_page_detection: parameters.zero_page_detection,
                queue: Mutex::default(),
                work: Condvar::new(),
                done: Condvar::new(),
                packets: AtomicU64::new(0),
            }),
            channels: Vec::new(),
            threads: Vec::new(),
        };
        let stop = &state.outgoing.stop;
        let channels = parameters.multifd_channels;
        for id in 0..channels {
            let mut init = Vec::new();
            MultifdInit { uuid: state.host.uuid.unwrap_or_default(), id }.encode(&mut init);
            let connected = endpoint.connect(stop).and_then(|channel| {
                channel.write_all(stop, &init)?;
                Ok(Arc::new(channel))
            });
            let channel = connected.map_err(|source| MigrationError::ConnectChannel {
                id,
                channels,
                uri: endpoint.uri().clone(),
                source,
            })?;
            state.outgoing.progress.count(init.len());

            let name = format!("mig/src/send_{id}");
            let (owned, shared) = (begun.counted_for(&name), Arc::clone(&senders.shared));
            senders.channels.push(Arc::clone(&channel));
            let thread = thread::Builder::new().name(name).spawn(move || {
                run(&owned, &shared, &channel);
                owned.give_back();
            });
            senders.threads.push(
                thread.map_err(|source| MigrationError::Resources { what: "thread", source })?,
            );
        }
        Ok(senders)
    }

    /// Returns whether the main channel marks the end of each pass (QEMU 8.1 and later). Before
    /// that, each section of memory ends a pass.
    pub(super) fn tells_flush(&self) -> bool {
        !self.shared.flush_after_each_section
    }

    /// Returns whether the channels look for zero pages.
    pub(super) fn find_zeros(&self) -> bool {
        self.shared.zero_page_detection == ZeroPageDetection::Multifd
    }

    /// Queues pages for the next free channel, and waits if the queue is full.
    pub(super) fn send(&self, job: Job) -> Result<(), MigrationError> {
        let most = WAITING * self.channels.len();
        self.shared.wait_until(|queue| queue.jobs.len() < most)?.jobs.push_back(job);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Waits until every channel has sent all its pages and a SYNC packet
    /// (`multifd_send_sync_main`).
    pub(super) fn sync(&self) -> Result<(), MigrationError> {
        let mut queue = self.shared.wait_until(|queue| queue.jobs.is_empty() && queue.busy == 0)?;
        queue.syncs += 1;
        queue.to_sync = self.channels.len();
        drop(queue);
        self.shared.work.notify_all();
        self.shared.wait_until(|queue| queue.to_sync == 0).map(drop)
    }

    /// Ends the threads after the destination has taken everything. An error on a channel has no
    /// effect from here on.
    pub(super) fn close(mut self) {
        self.shared.end(false);
        self.join();
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // The thread catches its own panics.
            let _ = thread.join();
        }
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.shared.end(false);
        // After an orderly end nothing is left to send. Otherwise a thread may be waiting for the
        // peer.
        for channel in &self.channels {
            channel.shut_down();
        }
        self.join();
    }
}

/// Runs a channel's thread.
fn run(state: &MigrationState, shared: &Shared, channel: &Channel) {
    hold_back_sigpipe();
    let sent = catch_unwind(AssertUnwindSafe(|| send_all(state, shared, channel)));
    let error = match sent {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error,
        Err(panic) => MigrationError::of_panic(panic),
    };
    // After an end that this process requested, the error only says that the channel was shut down.
    if !shared.lock().ended {
        fail_from_channel(state, Direction::Outgoing, error);
    }
    shared.end(true);
}

fn send_all(
    state: &MigrationState,
    shared: &Shared,
    channel: &Channel,
) -> Result<(), MigrationError> {
    let (mut syncs, mut header) = (0, Vec::with_capacity(MULTIFD_PACKET_LEN));
    while let Some(work) = shared.next(syncs) {
        let packet_num = shared.packets.fetch_add(1, Ordering::Relaxed);
        match &work {
            Work::Send(job) => send_job(state, shared, channel, job, packet_num, &mut header)?,
            Work::Sync => {
                syncs += 1;
                write(state, channel, &MultifdPacket::sync(packet_num), &mut header, &[])?;
            }
        }
        shared.has_done(&work);
    }
    Ok(())
}

fn send_job(
    state: &MigrationState,
    shared: &Shared,
    channel: &Channel,
    job: &Job,
    packet_num: u64,
    header: &mut Vec<u8>,
) -> Result<(), MigrationError> {
    let block = &state.host.ram[job.block];
    let looks = shared.zero_page_detection == ZeroPageDetection::Multifd;
    let (mut zero, normal): (Vec<usize>, Vec<usize>) =
        job.pages.iter().partition(|page| looks && is_zero(block.page(**page)));
    zero.extend_from_slice(&job.untouched);
    let offsets = |pages: &[usize]| -> Vec<PageOffset> {
        pages.iter().map(|page| PageOffset::containing((page * TARGET_PAGE_SIZE) as u64)).collect()
    };
    let packet =
        MultifdPacket::pages(packet_num, block.idstr().clone(), &offsets(&normal), &offsets(&zero));
    write(state, channel, &packet, header, &block.runs(&normal))?;
    state.outgoing.progress.update(|info| {
        info.normal += normal.len() as u64;
        info.duplicate += zero.len() as u64;
    });
    Ok(())
}

fn write(
    state: &MigrationState,
    channel: &Channel,
    packet: &MultifdPacket,
    header: &mut Vec<u8>,
    pages: &[&[AtomicU64]],
) -> Result<(), MigrationError> {
    header.clear();
    packet.encode(header);
    let mut pieces = Vec::with_capacity(1 + pages.len());
    pieces.push(Piece::bytes(header));
    pieces.extend(pages.iter().map(|words| Piece::words(words)));
    let bytes = pieces.iter().map(Piece::len).sum();
    channel
        .write_all_pieces(&state.outgoing.stop, &mut pieces)
        .map_err(|source| broken(state, source))?;
    state.outgoing.progress.count(bytes);
    Ok(())
}
