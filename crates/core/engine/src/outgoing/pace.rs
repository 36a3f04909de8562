//! Limits a stream to `max-bandwidth` (`migration_rate_limit`).

use std::time::{Duration, Instant};

use crate::error::MigrationError;
use crate::state::MigrationState;

/// How much time a stream may make up after a pause, and how soon it follows a change of the limit
/// (QEMU's `BUFFER_DELAY`).
const WINDOW: Duration = Duration::from_millis(100);

/// The lead of a stream over its limit.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes of the stream that `ahead` includes.
    counted: u64,
    /// Bytes sent beyond the limit, as of the time `at`; negative if the stream has not used all of
    /// the limit.
    ahead: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Pace { counted: 0, ahead: 0.0, at: Instant::now() }
    }

    /// Waits until the limit permits `sent` bytes, the total of all channels. The multifd channels
    /// continue to send meanwhile.
    ///
    /// # Errors
    ///
    /// If the migration is asked to stop.
    pub(super) fn keep(&mut self, state: &MigrationState, sent: u64) -> Result<(), MigrationError> {
        self.ahead += (sent - self.counted) as f64;
        self.counted = sent;
        loop {
            let limit = state.parameters().max_bandwidth as f64;
            let now = Instant::now();
            let allowed = now.duration_since(self.at).as_secs_f64() * limit;
            self.ahead = (self.ahead - allowed).max(-limit * WINDOW.as_secs_f64());
            self.at = now;
            if limit == 0.0 || self.ahead <= 0.0 {
                self.ahead = self.ahead.min(0.0);
                return Ok(());
            }
            let pause = Duration::try_from_secs_f64(self.ahead / limit).unwrap_or(WINDOW);
            let stopped = state.outgoing.stop.sleep_until(now + pause.min(WINDOW));
            if stopped.map_err(|source| MigrationError::of_write(sent, source))? {
                return Err(MigrationError::Stopped);
            }
        }
    }
}
