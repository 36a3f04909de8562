//! One attempt to migrate, whichever way: how it begins, the thread it runs on, and how its
//! end becomes known.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use bql::{BqlGuard, BqlUnlocked};

use crate::error::MigrationError;
use crate::registrations::words;
use crate::state::MigrationState;
use crate::status::{Direction, MigrationStatus};

/// What cleaning up returns. Only it can publish the end of a migration, so nobody sees one
/// that ended and is still being cleaned up.
#[must_use = "the end of the migration is not known until it is published"]
#[derive(Debug)]
pub struct Cleaned {
    direction: Direction,
    status: MigrationStatus,
}

impl Cleaned {
    pub(crate) fn completed(direction: Direction) -> Self {
        Cleaned { direction, status: MigrationStatus::Completed }
    }

    /// Keeps the error, unless it is only the request to cancel coming back.
    pub(crate) fn failed(
        state: &MigrationState,
        direction: Direction,
        error: MigrationError,
    ) -> Self {
        let side = state.side(direction);
        let (status, error) = if side.stop.is_cancelled() {
            (MigrationStatus::Cancelled, MigrationError::Cancelled)
        } else {
            (MigrationStatus::Failed, error)
        };
        side.progress.set_error(error);
        Cleaned { direction, status }
    }

    /// Lets everybody see the end of the migration.
    pub fn publish(self, state: &MigrationState, _bql: &mut BqlGuard<'_>) {
        let side = state.side(self.direction);
        side.set_thread(None);
        side.progress.end(self.status);
    }
}

/// Begins a migration: none may run, either way.
pub(crate) fn begin(
    state: &MigrationState,
    _bql: &mut BqlGuard<'_>,
    direction: Direction,
) -> Result<(), MigrationError> {
    state.check_idle()?;
    let side = state.side(direction);
    side.stop.reset();
    side.progress.begin();
    Ok(())
}

/// Starts the thread of a migration that has begun. The thread owns its count from before it
/// exists; if it cannot be started the migration has failed.
pub(crate) fn spawn(
    state: Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    direction: Direction,
    name: &str,
    run: impl FnOnce(&MigrationState, &mut BqlUnlocked) -> Cleaned + Send + 'static,
    clean_up_after_panic: fn(&MigrationState, &mut BqlGuard<'_>, MigrationError) -> Cleaned,
) -> Result<(), MigrationError> {
    let owned = state.counted();
    let body = move || {
        let state = owned;
        let Ok(mut thread) = BqlUnlocked::attach() else {
            unreachable!("a thread that has just begun has no lock token");
        };
        state.side(direction).set_thread(Some(thread::current().id()));
        let cleaned = catch_unwind(AssertUnwindSafe(|| run(&state, &mut thread)));
        let mut guard = thread.lock();
        let cleaned = cleaned.unwrap_or_else(|panic| {
            let message = words(&*panic);
            clean_up_after_panic(&state, &mut guard, MigrationError::Panicked { message })
        });
        cleaned.publish(&state, &mut guard);
    };
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(_detached) => Ok(()),
        Err(source) => {
            let what = "thread";
            let error = MigrationError::Resources { what, source };
            Cleaned::failed(&state, direction, error).publish(&state, bql);
            Err(MigrationError::Resources { what, source: std::io::ErrorKind::OutOfMemory.into() })
        }
    }
}
