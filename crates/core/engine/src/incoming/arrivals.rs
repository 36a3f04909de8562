//! Which of the connections that are made to a destination are the source's: those that begin as a
//! stream or a multifd channel does, with the four bytes of its magic.
//!
//! A probe connects and closes, a port scanner says something of its own, and a forgotten `nc` is
//! silent, or says half of something. None of them is an answer to the wait for a source.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use wire::FILE_MAGIC;
use wire::multifd::MULTIFD_MAGIC;

use crate::state::MigrationState;
use crate::transport::{Channel, Listener, Woken, stopped};

/// Silent connections that are kept beside those of a source, which may all be silent when they
/// have just been made. The oldest makes room for the next.
const MOST_SILENT: usize = 64;

/// How often a connection is looked at that has begun, since what is there already wakes nobody.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// What a connection begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// A stream.
    Main,
    /// A channel of multifd.
    Multifd,
}

impl Beginning {
    /// What `bytes` begin, of which all or some are there; `None` if it is nothing of a source's.
    fn of(bytes: &[u8]) -> Option<Self> {
        let begins = |magic: u32| magic.to_be_bytes().starts_with(bytes);
        if begins(FILE_MAGIC) {
            return Some(Beginning::Main);
        }
        begins(MULTIFD_MAGIC).then_some(Beginning::Multifd)
    }
}

/// A listener, and the connections that have not said yet what they are.
#[derive(Debug)]
pub(super) struct Arrivals {
    listener: Listener,
    silent: Vec<Silent>,
}

#[derive(Debug)]
struct Silent {
    channel: Channel,
    /// Whether it has said a part of it.
    begun: bool,
}

impl Arrivals {
    pub(super) fn new(listener: Listener) -> Self {
        Arrivals { listener, silent: Vec::new() }
    }

    /// How long a connection may be on its way that the source has made.
    pub(super) fn delay(&self) -> Duration {
        self.listener.delay()
    }

    /// Waits for the next connection that begins as one of a source's; until `deadline`, if there is
    /// one. What is open already, a file say, is taken for a stream.
    pub(super) fn next(
        &mut self,
        state: &MigrationState,
        deadline: Option<Instant>,
    ) -> io::Result<Option<(Channel, Beginning)>> {
        let stop = &state.incoming.stop;
        if let Listener::Ready(_) = self.listener {
            return Ok(Some((self.listener.accept(stop)?, Beginning::Main)));
        }
        let most = most_silent(state);
        loop {
            let mut more = true;
            while more {
                // Those that wait are looked at before one of them makes room.
                more = self.take(state)?;
                if let Some(found) = self.speaks() {
                    return Ok(Some(found));
                }
                if more && self.silent.len() == most {
                    self.silent.remove(0);
                }
            }
            let quiet = self.silent.iter().filter(|silent| !silent.begun);
            let connections = quiet.map(|silent| silent.channel.as_fd());
            let fds: Vec<_> = self.listener.fds().into_iter().chain(connections).collect();
            let begun = self.silent.iter().any(|silent| silent.begun);
            let look = begun.then(|| Instant::now() + LOOK);
            let until = deadline.into_iter().chain(look).min();
            match stop.wait_for_any(&fds, PollFlags::IN, until)? {
                Woken::Ready => {}
                Woken::Stopped => return Err(stopped()),
                Woken::TimedOut if deadline.is_some_and(|at| at <= Instant::now()) => {
                    return Ok(None);
                }
                Woken::TimedOut => {}
            }
        }
    }

    /// Takes connections while so many may be kept, and returns whether there may be more.
    fn take(&mut self, state: &MigrationState) -> io::Result<bool> {
        while self.silent.len() < most_silent(state) {
            match self.listener.try_accept()? {
                Some(channel) => self.silent.push(Silent { channel, begun: false }),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The first that has said what it is. Those that were closed, broke, or are nothing of a
    /// source's are dropped.
    fn speaks(&mut self) -> Option<(Channel, Beginning)> {
        let mut index = 0;
        while let Some(Silent { channel, begun }) = self.silent.get_mut(index) {
            let mut magic = [0; 4];
            match channel.peek(&mut magic) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    index += 1;
                    continue;
                }
                Ok(read @ 1..) => match Beginning::of(&magic[..read]) {
                    Some(beginning) if read == magic.len() => {
                        return Some((self.silent.remove(index).channel, beginning));
                    }
                    Some(_) if !channel.is_half_closed() => {
                        *begun = true;
                        index += 1;
                        continue;
                    }
                    _ => {}
                },
                Ok(0) | Err(_) => {}
            }
            self.silent.remove(index);
        }
        None
    }

    /// Waits for the connection of a source that has one. A channel beside it is none of it.
    ///
    /// # Errors
    ///
    /// If the request to stop comes first.
    pub(super) fn main(&mut self, state: &MigrationState) -> io::Result<Channel> {
        loop {
            if let (channel, Beginning::Main) = self.first(state)? {
                return Ok(channel);
            }
        }
    }

    /// Waits for the first connection of a source.
    ///
    /// # Errors
    ///
    /// If the request to stop comes first.
    pub(super) fn first(&mut self, state: &MigrationState) -> io::Result<(Channel, Beginning)> {
        let first = self.next(state, None)?;
        first.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "nobody connected"))
    }
}

/// How many silent connections are kept.
fn most_silent(state: &MigrationState) -> usize {
    let channels =
        if state.capabilities().multifd { state.parameters().multifd_channels } else { 0 };
    MOST_SILENT + 1 + usize::from(channels)
}
