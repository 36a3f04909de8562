//! Selects the source's connections among those made to a destination. A connection is the source's
//! if it begins with the four-byte magic of a stream or of a multifd channel.
//!
//! A probe connects and closes, a port scanner sends other bytes, and a forgotten `nc` sends
//! nothing, or half a magic. None of these ends the wait for a source.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use wire::FILE_MAGIC;
use wire::multifd::MULTIFD_MAGIC;

use crate::state::MigrationState;
use crate::transport::{Channel, Listener, Woken, stopped};

/// Maximum number of silent connections kept in addition to a source's own, which may all be silent
/// just after they were made. Beyond it the oldest is dropped for the next.
const MAX_SILENT: usize = 64;

/// Interval between looks at a connection that has sent part of a magic. A poll is of no use,
/// because the bytes already there make the connection readable.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// The kind of a connection, by its magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// The main channel, which carries the stream.
    Main,
    /// A multifd channel.
    Multifd,
}

impl Beginning {
    /// Returns the kind of a connection that begins with `bytes`, a whole magic or the start of
    /// one; `None` if no magic begins so.
    fn of(bytes: &[u8]) -> Option<Self> {
        let begins = |magic: u32| magic.to_be_bytes().starts_with(bytes);
        if begins(FILE_MAGIC) {
            return Some(Beginning::Main);
        }
        begins(MULTIFD_MAGIC).then_some(Beginning::Multifd)
    }
}

/// A listener, and its connections whose kind is not known yet.
#[derive(Debug)]
pub(super) struct Arrivals {
    listener: Listener,
    silent: Vec<Silent>,
}

#[derive(Debug)]
struct Silent {
    channel: Channel,
    /// Whether it has sent part of a magic.
    begun: bool,
}

impl Arrivals {
    pub(super) fn new(listener: Listener) -> Self {
        Arrivals { listener, silent: Vec::new() }
    }

    /// Returns how long a connection that the source has made may take to arrive.
    pub(super) fn delay(&self) -> Duration {
        self.listener.delay()
    }

    /// Waits for the next connection of a source, until `deadline` if there is one. A channel that
    /// is already open, such as a file, counts as a main channel.
    pub(super) fn next(
        &mut self,
        state: &MigrationState,
        deadline: Option<Instant>,
    ) -> io::Result<Option<(Channel, Beginning)>> {
        let stop = &state.incoming.stop;
        if let Listener::Ready(_) = self.listener {
            return Ok(Some((self.listener.accept(stop)?, Beginning::Main)));
        }
        let most = max_silent(state);
        loop {
            let mut more = true;
            while more {
                // The kept connections are checked before one is dropped for the next.
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

    /// Accepts connections up to the number that may be kept, and returns whether there may be
    /// more.
    fn take(&mut self, state: &MigrationState) -> io::Result<bool> {
        while self.silent.len() < max_silent(state) {
            match self.listener.try_accept()? {
                Some(channel) => self.silent.push(Silent { channel, begun: false }),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Removes and returns the first connection whose kind is known. Drops those that were closed,
    /// failed, or are not a source's.
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

    /// Waits for a source's main connection, and drops multifd channels, which are not expected
    /// here.
    ///
    /// # Errors
    ///
    /// If the stop request comes first.
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
    /// If the stop request comes first.
    pub(super) fn first(&mut self, state: &MigrationState) -> io::Result<(Channel, Beginning)> {
        let first = self.next(state, None)?;
        first.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "nobody connected"))
    }
}

/// Returns how many silent connections may be kept.
fn max_silent(state: &MigrationState) -> usize {
    let channels =
        if state.capabilities().multifd { state.parameters().multifd_channels } else { 0 };
    MAX_SILENT + 1 + usize::from(channels)
}
