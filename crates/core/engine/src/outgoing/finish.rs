//! The ends of an outgoing migration, and what each cleans up (`migration_cleanup`).
//!
//! What was reached is decided before an end is made, in the [`Fate`](crate::fate::Fate) of the
//! attempt. Each step of cleaning up is caught by itself: a hook that panics keeps the others from
//! nothing.

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

/// The destination has the machine.
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

    /// Tells the machine and the notifiers that it has moved.
    pub fn clean_up(self, bql: &mut BqlGuard<'_>) -> Cleaned {
        let state = self.begun.state();
        keep_panic(state, self.stopped.has_moved(bql));
        clean_up(state, bql, MigrationEvent::PrecopyDone)
    }
}

/// It did not work, in whatever phase, and the destination does not have the machine.
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

    /// There is no connection, or no longer one.
    pub(super) fn without_stream(begun: Begun, error: MigrationError) -> Self {
        Failed { begun, stream: None, stopped: None, error: Box::new(error) }
    }

    /// The machine was stopped.
    pub(super) fn after_stop(mut self, stopped: VmStopped) -> Self {
        self.stopped = Some(stopped);
        self
    }

    /// Breaks the connection off, and only then lets the machine go on here.
    pub fn clean_up(self, bql: &mut BqlGuard<'_>) -> Cleaned {
        let state = self.begun.state();
        keep_error(state, Direction::Outgoing, *self.error);
        // Ending the channel may wait: for a shell command to be gone, for a file.
        bql.unlocked(|_| caught(state, Direction::Outgoing, || drop(self.stream)));
        if let Some(stopped) = self.stopped {
            keep_panic(state, stopped.resume(bql));
        }
        clean_up(state, bql, MigrationEvent::PrecopyFailed)
    }
}

/// The machine was given away, and the destination did not say whether it took it.
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

    /// Breaks the connection off and leaves the machine stopped here, where a person may let it go
    /// on ([`MigrationState::cont`]).
    pub fn clean_up(self, bql: &mut BqlGuard<'_>) -> Cleaned {
        let state = self.begun.state();
        keep_error(state, Direction::Outgoing, *self.error);
        bql.unlocked(|_| caught(state, Direction::Outgoing, || drop(self.stream)));
        self.stopped.keep();
        clean_up(state, bql, MigrationEvent::PrecopyFailed)
    }
}

/// Why a migration did not complete.
#[derive(Debug)]
pub enum NotCompleted {
    /// The machine goes on here.
    Failed(Failed),
    /// Nobody here knows where it is.
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

/// Cleans up after a panic, which took the phase with it. The machine is stopped, if it was not,
/// so that there is a right to end with.
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
                // It must not go on here, whatever it says of itself.
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
    // It takes some 20 ms a GiB where the kernel has to take protection off page by page.
    bql.unlocked(|_| {
        for block in &state.host.ram {
            caught(state, Direction::Outgoing, || block.log().stop());
        }
    });
    let notifiers = state.registrations(bql).notifiers(MigMode::Normal);
    // Only at setup can a notifier refuse.
    let _ = notifiers.call(bql, event);
    Cleaned::as_reached(state, Direction::Outgoing)
}
