//! The ends of an outgoing migration, and the clean-up of each (`migration_cleanup`).
//!
//! The outcome is decided before an end is made, in the [`Fate`](crate::fate::Fate) of the attempt.
//! Each step of clean-up catches its own panics, so a hook that panics does not prevent the other
//! steps.

use std::sync::Arc;

use bql::BqlGuard;

use crate::attempt::{Begun, Cleaned, caught, keep_error};
use crate::error::MigrationError;
use crate::fate::Whereabouts;
use crate::parameters::MigMode;
use crate::registrations::MigrationEvent;
use crate::rights::VmStopped;
use crate::state::MigrationState;
use crate::status::Direction;

use super::stream::Stream;

/// The end of a migration whose destination has the machine.
#[derive(Debug)]
#[must_use = "it has to be cleaned up"]
pub struct Completed {
    begun: Begun,
    stopped: VmStopped,
}

impl Completed {
    pub(super) fn new(begun: Begun, stopped: VmStopped) -> Self {
        Completed { begun, stopped }
    }

    /// Notifies the machine and the notifiers that the machine has moved.
    pub fn clean_up(self, bql: &mut BqlGuard<'_>) -> Cleaned {
        let state = self.begun.state();
        keep_panic(state, self.stopped.has_moved(bql));
        clean_up(state, bql, MigrationEvent::PrecopyDone)
    }
}

/// The end of a migration that failed in any phase, and whose destination does not have the
/// machine.
#[derive(Debug)]
#[must_use = "it has to be cleaned up"]
pub struct Failed {
    begun: Begun,
    stream: Option<Box<Stream>>,
    stopped: Option<VmStopped>,
    error: Box<MigrationError>,
}

impl Failed {
    pub(super) fn new(begun: Begun, mut stream: Stream, error: MigrationError) -> Self {
        let error = match stream.failed_command(begun.state()) {
            Some(status) => MigrationError::Command { status, source: Box::new(error) },
            None => error,
        };
        Failed { begun, stream: Some(Box::new(stream)), stopped: None, error: Box::new(error) }
    }

    /// Makes the end of a migration that has no connection, or no longer has one.
    pub(super) fn without_stream(begun: Begun, error: MigrationError) -> Self {
        Failed { begun, stream: None, stopped: None, error: Box::new(error) }
    }

    /// Adds the right of a machine that was stopped.
    pub(super) fn after_stop(mut self, stopped: VmStopped) -> Self {
        self.stopped = Some(stopped);
        self
    }

    /// Closes the connection, and only then resumes the machine here.
    pub fn clean_up(self, bql: &mut BqlGuard<'_>) -> Cleaned {
        let state = self.begun.state();
        keep_error(state, Direction::Outgoing, *self.error);
        // Closing the channel may block, for example until a shell command has exited.
        bql.unlocked(|_| caught(state, Direction::Outgoing, || drop(self.stream)));
        if let Some(stopped) = self.stopped {
            keep_panic(state, stopped.resume(bql));
        }
        clean_up(state, bql, MigrationEvent::PrecopyFailed)
    }
}

/// The end of a migration that gave the machine away, and whose destination did not report whether
/// it took it.
#[derive(Debug)]
#[must_use = "it has to be cleaned up"]
pub struct Uncertain {
    begun: Begun,
    stream: Option<Box<Stream>>,
    stopped: VmStopped,
    error: Box<MigrationError>,
}

impl Uncertain {
    pub(super) fn new(
        begun: Begun,
        stream: Option<Stream>,
        stopped: VmStopped,
        error: MigrationError,
    ) -> Self {
        Uncertain { begun, stream: stream.map(Box::new), stopped, error: Box::new(error) }
    }

    /// Closes the connection and leaves the machine stopped here, where a person may resume it
    /// ([`MigrationState::cont`]).
    pub fn clean_up(self, bql: &mut BqlGuard<'_>) -> Cleaned {
        let state = self.begun.state();
        keep_error(state, Direction::Outgoing, *self.error);
        bql.unlocked(|_| caught(state, Direction::Outgoing, || drop(self.stream)));
        self.stopped.keep();
        clean_up(state, bql, MigrationEvent::PrecopyFailed)
    }
}

/// The end of a migration that did not complete.
#[derive(Debug)]
pub enum NotCompleted {
    /// The machine resumes here.
    Failed(Failed),
    /// This end does not know where the machine is.
    Uncertain(Uncertain),
}

impl From<Failed> for NotCompleted {
    fn from(failed: Failed) -> Self {
        NotCompleted::Failed(failed)
    }
}

impl From<Uncertain> for NotCompleted {
    fn from(uncertain: Uncertain) -> Self {
        NotCompleted::Uncertain(uncertain)
    }
}

/// Cleans up after a panic, in which the phase was lost. Stops the machine if it runs, to get a
/// right that the clean-up can consume.
pub(super) fn clean_up_after_panic(state: &Arc<MigrationState>, bql: &mut BqlGuard<'_>) -> Cleaned {
    let stopped = match VmStopped::stop_again(&state.host, bql) {
        Ok(stopped) => Some(stopped),
        Err(panic) => {
            keep_error(state, Direction::Outgoing, panic);
            None
        }
    };
    let event = match state.outgoing.fate.get() {
        Whereabouts::Source => {
            if let Some(stopped) = stopped {
                keep_panic(state, stopped.resume(bql));
            }
            MigrationEvent::PrecopyFailed
        }
        Whereabouts::Unknown => {
            if let Some(stopped) = stopped {
                stopped.keep();
            }
            MigrationEvent::PrecopyFailed
        }
        Whereabouts::Destination { .. } => {
            match stopped {
                Some(stopped) => keep_panic(state, stopped.has_moved(bql)),
                // The machine must not resume here, even if its hook failed.
                None => drop(state.host.take_kept()),
            }
            MigrationEvent::PrecopyDone
        }
    };
    clean_up(state, bql, event)
}

fn keep_panic(state: &MigrationState, hook: Result<(), MigrationError>) {
    if let Err(panic) = hook {
        keep_error(state, Direction::Outgoing, panic);
    }
}

fn clean_up(state: &Arc<MigrationState>, bql: &mut BqlGuard<'_>, event: MigrationEvent) -> Cleaned {
    // Stopping the log may take about 20 ms per GiB, if the kernel must remove protection page by
    // page.
    bql.unlocked(|_| {
        for block in &state.host.ram {
            caught(state, Direction::Outgoing, || block.log().stop());
        }
    });
    let notifiers = state.registrations(bql).notifiers(MigMode::Normal);
    // A notifier can refuse only at setup.
    let _ = notifiers.call(bql, event);
    Cleaned::as_reached(state, Direction::Outgoing)
}
