//! The stream on its way out: counts what was sent and keeps to the bandwidth limit.

use std::io;
use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::error::MigrationError;
use crate::guest_io::Piece;
use crate::state::MigrationState;

/// How far the limit may be caught up after a pause (QEMU's `BUFFER_DELAY`).
const CATCH_UP: Duration = Duration::from_millis(100);

/// A connected channel and what went over it.
#[derive(Debug)]
pub(super) struct Stream {
    channel: Channel,
    sent: u64,
    /// The moment up to which the bytes sent so far use up the bandwidth limit.
    paid_until: Instant,
}

impl Stream {
    pub(super) fn new(channel: Channel) -> Self {
        Stream { channel, sent: 0, paid_until: Instant::now() }
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
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
        MigrationError::of_write(self.sent, source)
    }

    /// Waits until `bytes` more are within `max-bandwidth`.
    pub(super) fn keep_to_bandwidth(
        &mut self,
        state: &MigrationState,
        bytes: u64,
    ) -> Result<(), MigrationError> {
        let limit = state.parameters().max_bandwidth;
        if limit == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let oldest = now.checked_sub(CATCH_UP).unwrap_or(now);
        let takes = Duration::from_secs_f64(bytes as f64 / limit as f64);
        self.paid_until = self.paid_until.max(oldest) + takes;
        if self.paid_until > now {
            let cancelled = state.outgoing.stop.sleep_until(self.paid_until);
            if cancelled.map_err(|source| self.broken(source))? {
                return Err(MigrationError::Cancelled);
            }
        }
        Ok(())
    }

    /// Ends the channel after everything went well.
    pub(super) fn close(self, state: &MigrationState) -> Result<(), MigrationError> {
        let sent = self.sent;
        self.channel
            .close(&state.outgoing.stop)
            .map_err(|source| MigrationError::Send { sent, source })
    }
}
