//! The stream on its way out: counts what was sent and keeps to the bandwidth limit.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::error::MigrationError;
use crate::fate::Whereabouts;
use crate::memory::guest_io::Piece;
use crate::state::MigrationState;
use crate::transport::{Channel, NotTaken};

use super::multifd::Senders;

/// How far the limit may be caught up after a pause, and how soon a change of it is heard
/// (QEMU's `BUFFER_DELAY`).
const WINDOW: Duration = Duration::from_millis(100);

/// A connected channel, those beside it, and what went over them.
#[derive(Debug)]
pub(super) struct Stream {
    channel: Channel,
    senders: Option<Senders>,
    /// Bytes of the main channel.
    sent: u64,
    /// Bytes of all channels that `ahead` has counted.
    limited: u64,
    /// Bytes that were sent beyond the bandwidth limit, at the moment `counted`; less than 0
    /// if it was not used up.
    ahead: f64,
    counted: Instant,
}

impl Stream {
    pub(super) fn new(channel: Channel, senders: Option<Senders>) -> Self {
        Stream { channel, senders, sent: 0, limited: 0, ahead: 0.0, counted: Instant::now() }
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The channels beside the main one, with capability `multifd`.
    pub(super) fn senders(&self) -> Option<&Senders> {
        self.senders.as_ref()
    }

    /// How the command failed that takes the stream, if there is one and it did so by itself.
    pub(super) fn failed_command(&mut self, state: &MigrationState) -> Option<ExitStatus> {
        let stop = &state.outgoing.stop;
        if stop.is_requested() { None } else { self.channel.failed_command(stop) }
    }

    /// Bytes that went over all channels.
    pub(super) fn sent(&self) -> u64 {
        self.sent + self.senders.as_ref().map_or(0, Senders::sent)
    }

    pub(super) fn send(
        &mut self,
        state: &MigrationState,
        bytes: &[u8],
    ) -> Result<(), MigrationError> {
        self.send_pieces(state, &mut [Piece::bytes(bytes)])
    }

    pub(super) fn send_pieces(
        &mut self,
        state: &MigrationState,
        pieces: &mut [Piece<'_>],
    ) -> Result<(), MigrationError> {
        let bytes: usize = pieces.iter().map(Piece::len).sum();
        self.channel
            .write_all_pieces(&state.outgoing.stop, pieces)
            .map_err(|source| self.broken(source))?;
        self.sent += bytes as u64;
        Ok(())
    }

    pub(super) fn broken(&self, source: io::Error) -> MigrationError {
        MigrationError::of_write(self.sent(), source)
    }

    /// Waits until what was sent since the last call is within `max-bandwidth`. The channels beside
    /// the main one send at any time, during this wait too.
    pub(super) fn keep_to_bandwidth(
        &mut self,
        state: &MigrationState,
    ) -> Result<(), MigrationError> {
        let sent = self.sent();
        self.ahead += (sent - self.limited) as f64;
        self.limited = sent;
        loop {
            let limit = state.parameters().max_bandwidth as f64;
            let now = Instant::now();
            let allowed = now.duration_since(self.counted).as_secs_f64() * limit;
            self.ahead = (self.ahead - allowed).max(-limit * WINDOW.as_secs_f64());
            self.counted = now;
            if limit == 0.0 || self.ahead <= 0.0 {
                self.ahead = self.ahead.min(0.0);
                return Ok(());
            }
            let pause = Duration::try_from_secs_f64(self.ahead / limit).unwrap_or(WINDOW);
            let stopped = state.outgoing.stop.sleep_until(now + pause.min(WINDOW));
            if stopped.map_err(|source| self.broken(source))? {
                return Err(MigrationError::Cancelled);
            }
        }
    }

    /// Sends `bytes`, with the first of which the machine is given away: the point of no return.
    ///
    /// # Errors
    ///
    /// If a request to stop came before, or if they cannot be sent; the attempt's fate says whether
    /// one of them may have gone.
    pub(super) fn send_last(
        &mut self,
        state: &MigrationState,
        bytes: &[u8],
    ) -> Result<(), MigrationError> {
        let (stop, fate) = (&state.outgoing.stop, &state.outgoing.fate);
        let room = self.channel.wait_for_room(stop).and_then(|()| stop.close());
        room.map_err(|source| self.broken(source))?;
        fate.set(Whereabouts::Unknown);
        let mut pieces = [Piece::bytes(bytes)];
        let sent = self.channel.write_all_pieces(stop, &mut pieces);
        let left: usize = pieces.iter().map(Piece::len).sum();
        self.sent += (bytes.len() - left) as u64;
        match sent {
            Ok(()) => Ok(()),
            Err(source) if left == bytes.len() => {
                fate.set(Whereabouts::Source);
                Err(self.broken(source))
            }
            Err(source) => Err(MigrationError::NotConfirmed(source)),
        }
    }

    /// Ends the channels after everything went well. Where there is no way back, how that ends is
    /// the word of who took the stream: a file has its name, a command has ended well.
    ///
    /// # Errors
    ///
    /// If it was not taken; or if that is not known, as the attempt's fate tells.
    pub(super) fn close(self, state: &MigrationState) -> Result<(), MigrationError> {
        let (sent, stop, fate) = (self.sent(), &state.outgoing.stop, &state.outgoing.fate);
        let is_two_way = self.channel.is_two_way();
        if let Some(senders) = self.senders {
            senders.close(state);
        }
        match self.channel.close(stop) {
            // The destination has given its word.
            _ if is_two_way => Ok(()),
            Ok(()) => {
                fate.set(Whereabouts::Destination { at_source: None });
                Ok(())
            }
            Err(NotTaken::Unknown(source)) => Err(MigrationError::NotConfirmed(source)),
            Err(NotTaken::Refused(source)) => {
                fate.set(Whereabouts::Source);
                Err(MigrationError::Send { sent, source })
            }
        }
    }
}
