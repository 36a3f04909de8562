//! Sends the stream, over the main channel and the multifd channels, and counts its bytes.

use std::io;
use std::process::ExitStatus;

use crate::error::MigrationError;
use crate::fate::Whereabouts;
use crate::memory::guest_io::Piece;
use crate::state::MigrationState;
use crate::transport::{Channel, NotTaken};

use super::multifd::{Job, Senders};
use super::pace::Pace;

/// The connected channels of a source.
#[derive(Debug)]
pub(super) struct Stream {
    channel: Channel,
    senders: Option<Senders>,
    /// `None` while the machine is stopped, because each wait would add downtime.
    pace: Option<Pace>,
}

impl Stream {
    pub(super) fn new(channel: Channel, senders: Option<Senders>) -> Self {
        Stream { channel, senders, pace: Some(Pace::new()) }
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Returns the multifd channels, if the capability `multifd` is set.
    pub(super) fn senders(&self) -> Option<&Senders> {
        self.senders.as_ref()
    }

    /// Ignores `max-bandwidth` from here on.
    pub(super) fn lift_limit(&mut self) {
        self.pace = None;
    }

    /// Returns how the command that reads the stream failed, if there is one and it failed by
    /// itself.
    pub(super) fn failed_command(&mut self, state: &MigrationState) -> Option<ExitStatus> {
        let stop = &state.outgoing.stop;
        if stop.is_requested() { None } else { self.channel.failed_command(stop) }
    }

    /// Sends bytes on the main channel.
    pub(super) fn send(
        &mut self,
        state: &MigrationState,
        bytes: &[u8],
    ) -> Result<(), MigrationError> {
        self.send_pieces(state, &mut [Piece::bytes(bytes)])
    }

    /// Sends pieces on the main channel, in order.
    pub(super) fn send_pieces(
        &mut self,
        state: &MigrationState,
        pieces: &mut [Piece<'_>],
    ) -> Result<(), MigrationError> {
        let bytes = pieces.iter().map(Piece::len).sum();
        self.channel
            .write_all_pieces(&state.outgoing.stop, pieces)
            .map_err(|source| broken(state, source))?;
        state.outgoing.progress.count(bytes);
        self.keep_pace(state)
    }

    /// Queues pages for a multifd channel.
    pub(super) fn hand_out(
        &mut self,
        state: &MigrationState,
        job: Job,
    ) -> Result<(), MigrationError> {
        if let Some(senders) = &self.senders {
            senders.send(job)?;
        }
        self.keep_pace(state)
    }

    fn keep_pace(&mut self, state: &MigrationState) -> Result<(), MigrationError> {
        match &mut self.pace {
            Some(pace) => pace.keep(state, state.outgoing.progress.transferred()),
            None => Ok(()),
        }
    }

    /// Sends `bytes`, the first of which gives the machine away: the point of no return.
    ///
    /// # Errors
    ///
    /// If a stop request came before, or if the bytes cannot be sent. The attempt's fate says
    /// whether any of them may have been sent.
    pub(super) fn send_last(
        &mut self,
        state: &MigrationState,
        bytes: &[u8],
    ) -> Result<(), MigrationError> {
        let (stop, fate) = (&state.outgoing.stop, &state.outgoing.fate);
        let room = self.channel.wait_for_room(stop).and_then(|()| stop.close());
        room.map_err(|source| broken(state, source))?;
        fate.set(Whereabouts::Unknown);
        let mut pieces = [Piece::bytes(bytes)];
        let sent = self.channel.write_all_pieces(stop, &mut pieces);
        let left: usize = pieces.iter().map(Piece::len).sum();
        state.outgoing.progress.count(bytes.len() - left);
        match sent {
            Ok(()) => Ok(()),
            Err(source) if left == bytes.len() => {
                fate.set(Whereabouts::Source);
                Err(broken(state, source))
            }
            Err(source) => Err(MigrationError::NotConfirmed(source)),
        }
    }

    /// Closes the channels after a migration that went well. Without a return path, the close
    /// reports whether the stream was taken: a file got its name, or a command exited with success.
    ///
    /// # Errors
    ///
    /// If the stream was not taken, or if that is not known; the attempt's fate says which.
    pub(super) fn close(self, state: &MigrationState) -> Result<(), MigrationError> {
        let (stop, fate) = (&state.outgoing.stop, &state.outgoing.fate);
        let is_two_way = self.channel.is_two_way();
        if let Some(senders) = self.senders {
            senders.close();
        }
        match self.channel.close(stop) {
            // The destination has already confirmed.
            _ if is_two_way => Ok(()),
            Ok(()) => {
                fate.set(Whereabouts::Destination { at_source: None });
                Ok(())
            }
            Err(NotTaken::Unknown(source)) => Err(MigrationError::NotConfirmed(source)),
            Err(NotTaken::Refused(source)) => {
                fate.set(Whereabouts::Source);
                Err(MigrationError::Send { sent: state.outgoing.progress.transferred(), source })
            }
        }
    }
}

/// Converts the error of a failed write to that of the migration.
pub(super) fn broken(state: &MigrationState, source: io::Error) -> MigrationError {
    MigrationError::of_write(state.outgoing.progress.transferred(), source)
}
