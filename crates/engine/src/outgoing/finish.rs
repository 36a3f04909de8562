//! The two ends of an outgoing migration, and what each cleans up (`migration_cleanup`).

use bql::BqlGuard;

use crate::attempt::{Cleaned, keep_error};
use crate::error::MigrationError;
use crate::host::VmStopped;
use crate::parameters::MigMode;
use crate::registrations::MigrationEvent;
use crate::state::MigrationState;
use crate::status::Direction;

use super::stream::Stream;

/// The destination has the machine.
#[derive(Debug)]
#[must_use = "it has to be cleaned up"]
pub struct Completed {
    stopped: VmStopped,
}

impl Completed {
    pub(super) fn new(stopped: VmStopped) -> Self {
        Completed { stopped }
    }

    /// Tells the machine and the notifiers that it has moved.
    pub fn clean_up(self, state: &MigrationState, bql: &mut BqlGuard<'_>) -> Cleaned {
        state.host.vm.has_moved(bql, self.stopped);
        clean_up(state, bql, MigrationEvent::PrecopyDone);
        Cleaned::completed(Direction::Outgoing)
    }
}

/// It did not work, in whatever phase.
#[derive(Debug)]
#[must_use = "it has to be cleaned up"]
pub struct Failed {
    stream: Option<Box<Stream>>,
    stopped: Option<VmStopped>,
    /// What went wrong; `None` if that is kept already.
    error: Option<Box<MigrationError>>,
}

impl Failed {
    pub(super) fn new(stream: Stream, error: MigrationError) -> Self {
        Failed { stream: Some(Box::new(stream)), stopped: None, error: Some(Box::new(error)) }
    }

    /// There is no connection, or no longer one.
    pub(super) fn without_stream(error: MigrationError) -> Self {
        Failed { stream: None, stopped: None, error: Some(Box::new(error)) }
    }

    /// A panic took the stream with it, and its words are kept.
    pub(super) fn after_panic() -> Self {
        Failed { stream: None, stopped: None, error: None }
    }

    /// The machine was stopped.
    pub(super) fn after_stop(mut self, stopped: VmStopped) -> Self {
        self.stopped = Some(stopped);
        self
    }

    /// Breaks the connection off, and only then lets the machine go on here.
    pub fn clean_up(self, state: &MigrationState, bql: &mut BqlGuard<'_>) -> Cleaned {
        if let Some(error) = self.error {
            keep_error(state, Direction::Outgoing, *error);
        }
        // Ending the channel may wait: for a shell command to be gone, for a file.
        bql.unlocked(|_| drop(self.stream));
        if let Some(stopped) = self.stopped {
            state.host.vm.resume_after_failure(bql, stopped);
        }
        clean_up(state, bql, MigrationEvent::PrecopyFailed);
        Cleaned::failed(state, Direction::Outgoing)
    }
}

fn clean_up(state: &MigrationState, bql: &mut BqlGuard<'_>, event: MigrationEvent) {
    // It takes some 20 ms a GiB where the kernel has to take protection off page by page.
    bql.unlocked(|_| state.host.ram.iter().for_each(|block| block.log().stop()));
    let notifiers = state.registrations(bql).notifiers(MigMode::Normal);
    // Only at setup can a notifier refuse.
    let _ = notifiers.call(bql, event);
}
