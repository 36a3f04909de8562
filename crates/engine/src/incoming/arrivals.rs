//! Which of the connections that are made to a destination is the source's: one that says something.
//!
//! A probe connects and closes, and a port scanner or a forgotten `nc` connects and is silent.
//! Neither is an answer to the wait for a source.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use crate::state::MigrationState;
use crate::transport::{Channel, Listener, Woken, stopped};

/// Silent connections that are kept beside those of a source, which may all be silent when they
/// have just been made. The oldest makes room for the next.
const MOST_SILENT: usize = 64;

/// A listener, and the connections that have said nothing yet.
#[derive(Debug)]
pub(super) struct Arrivals {
    listener: Listener,
    silent: Vec<Channel>,
}

impl Arrivals {
    pub(super) fn new(listener: Listener) -> Self {
        Arrivals { listener, silent: Vec::new() }
    }

    /// How long a connection may be on its way that the source has made.
    pub(super) fn delay(&self) -> Duration {
        self.listener.delay()
    }

    /// Waits for the next connection on which there is something to read; until `deadline`, if
    /// there is one.
    pub(super) fn next(
        &mut self,
        state: &MigrationState,
        deadline: Option<Instant>,
    ) -> io::Result<Option<Channel>> {
        let stop = &state.incoming.stop;
        if let Listener::Ready(_) = self.listener {
            return self.listener.accept(stop).map(Some);
        }
        let most = most_silent(state);
        loop {
            let mut more = true;
            while more {
                // Those that wait are looked at before one of them makes room.
                more = self.take(state)?;
                if let Some(channel) = self.speaks() {
                    return Ok(Some(channel));
                }
                if more && self.silent.len() == most {
                    self.silent.remove(0);
                }
            }
            let connections = self.silent.iter().map(AsFd::as_fd);
            let fds: Vec<_> = self.listener.fds().into_iter().chain(connections).collect();
            match stop.wait_for_any(&fds, PollFlags::IN, deadline)? {
                Woken::Ready => {}
                Woken::Stopped => return Err(stopped()),
                Woken::TimedOut => return Ok(None),
            }
        }
    }

    /// Takes connections while so many may be kept, and returns whether there may be more.
    fn take(&mut self, state: &MigrationState) -> io::Result<bool> {
        while self.silent.len() < most_silent(state) {
            match self.listener.try_accept()? {
                Some(channel) => self.silent.push(channel),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The first that has said something. Those that were closed, or broke, are dropped.
    fn speaks(&mut self) -> Option<Channel> {
        let mut index = 0;
        while let Some(channel) = self.silent.get(index) {
            match channel.peek() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => index += 1,
                Ok(Some(_)) => return Some(self.silent.remove(index)),
                Ok(None) | Err(_) => drop(self.silent.remove(index)),
            }
        }
        None
    }

    /// Waits for the first connection of a source.
    ///
    /// # Errors
    ///
    /// If the request to stop comes first.
    pub(super) fn first(&mut self, state: &MigrationState) -> io::Result<Channel> {
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
