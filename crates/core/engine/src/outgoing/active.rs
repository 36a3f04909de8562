//! The phases `Active` and `Converged`: passes over memory while the machine runs and writes.

use std::time::{Duration, Instant};

use bql::BqlUnlocked;

use crate::attempt::Begun;
use crate::error::MigrationError;
use crate::state::MigrationState;

use super::Switchover;
use super::convergence::Rest;
use super::finish::Failed;
use super::pass;
use super::ram::RamSave;
use super::stream::Stream;

/// Shortest pass by which bandwidth is measured. In a shorter one the data only went into the
/// socket's buffer, or most of the time was the wait for the destination's answer.
const MEASURABLE: Duration = Duration::from_millis(20);

/// The head of the stream was sent, and writes are tracked. Next: [`iterate`](Active::iterate).
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Active {
    begun: Begun,
    stream: Stream,
    ram: RamSave,
}

/// The remaining memory is small enough to stop the machine. Next:
/// [`switch_over`](Converged::switch_over).
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Converged {
    begun: Begun,
    stream: Stream,
    ram: RamSave,
}

impl Active {
    pub(super) fn new(begun: Begun, stream: Stream, ram: RamSave) -> Self {
        Active { begun, stream, ram }
    }

    /// Sends memory, pass by pass, until the rest is small enough to stop the machine.
    ///
    /// # Errors
    ///
    /// Returns the failed migration, to be cleaned up.
    pub fn iterate(self, _thread: &mut BqlUnlocked) -> Result<Converged, Failed> {
        phase!("iterate");
        let Active { begun, mut stream, mut ram } = self;
        match passes(begun.state(), &mut stream, &mut ram) {
            Ok(()) => Ok(Converged { begun, stream, ram }),
            Err(error) => Err(Failed::new(begun, stream, error)),
        }
    }
}

fn passes(
    state: &MigrationState,
    stream: &mut Stream,
    ram: &mut RamSave,
) -> Result<(), MigrationError> {
    let (mut before, mut bandwidth, mut number) = (None, 0, 0_u32);
    let progress = &state.outgoing.progress;
    loop {
        // A pass without dirty pages sends nothing, so it would not notice the request.
        if state.outgoing.stop.is_requested() {
            return Err(MigrationError::Stopped);
        }
        let (sent, began) = (progress.transferred(), Instant::now());
        number = number.wrapping_add(1);
        pass::while_it_runs(state, stream, ram, number)?;
        let (sent, took) = (progress.transferred() - sent, began.elapsed());
        if took >= MEASURABLE || bandwidth == 0 {
            bandwidth = (sent as f64 / took.as_secs_f64().max(1e-6)) as u64;
        }
        let rest = Rest { remaining: ram.sync(state)?, bandwidth };
        progress.update(|info| {
            info.bandwidth = bandwidth;
            info.expected_downtime = rest.expected_downtime();
        });
        if rest.is_good_enough(state.parameters().downtime_limit, before) {
            return Ok(());
        }
        before = Some(rest.remaining);
    }
}

impl Converged {
    /// Stops the machine.
    ///
    /// # Errors
    ///
    /// Returns the failed migration, to be cleaned up.
    pub fn switch_over(self, thread: &mut BqlUnlocked) -> Result<Switchover, Failed> {
        phase!("switch_over");
        Switchover::begin(self.begun, thread, self.stream, self.ram)
    }
}
