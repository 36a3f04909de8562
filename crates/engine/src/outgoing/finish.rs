//! The two ends of an outgoing migration, and what each cleans up (`migration_cleanup`).

use bql::BqlGuard;

use crate::attempt::Cleaned;
use crate::error::MigrationError;
use crate::registrations::MigrationEvent;
use crate::state::MigrationState;
use crate::status::Direction;

use super::stream::Stream;

/// The destination has the machine.
pub(super) struct Completed(());

impl Completed {
    pub(super) fn new() -> Self {
        Completed(())
    }

    pub(super) fn clean_up(self, state: &MigrationState, bql: &mut BqlGuard<'_>) -> Cleaned {
        state.host.vm.has_moved(bql);
        clean_up(state, bql, MigrationEvent::PrecopyDone);
        Cleaned::completed(Direction::Outgoing)
    }
}

/// It did not work, in whatever phase.
pub(super) struct Failed {
    stream: Option<Box<Stream>>,
    error: Box<MigrationError>,
}

impl Failed {
    pub(super) fn new(stream: Stream, error: MigrationError) -> Self {
        Failed { stream: Some(Box::new(stream)), error: Box::new(error) }
    }

    /// There is no connection, or no longer one.
    pub(super) fn without_stream(error: MigrationError) -> Self {
        Failed { stream: None, error: Box::new(error) }
    }

    /// Breaks the connection off, and only then lets the machine go on here.
    pub(super) fn clean_up(self, state: &MigrationState, bql: &mut BqlGuard<'_>) -> Cleaned {
        drop(self.stream);
        state.host.vm.resume_after_failure(bql);
        clean_up(state, bql, MigrationEvent::PrecopyFailed);
        Cleaned::failed(state, Direction::Outgoing, *self.error)
    }
}

fn clean_up(state: &MigrationState, bql: &mut BqlGuard<'_>, event: MigrationEvent) {
    for block in &state.host.ram {
        block.log().stop();
    }
    let notifiers = state.registrations(bql).notifiers();
    // Only at setup can a notifier refuse.
    let _ = notifiers.call(bql, event);
}
