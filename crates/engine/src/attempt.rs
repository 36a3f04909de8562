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

    /// After a failure whose error was [kept](keep_error).
    pub(crate) fn failed(state: &MigrationState, direction: Direction) -> Self {
        let status = if state.side(direction).stop.is_cancelled() {
            MigrationStatus::Cancelled
        } else {
            MigrationStatus::Failed
        };
        Cleaned { direction, status }
    }

    /// Lets everybody see the end of the migration.
    pub fn publish(self, state: &MigrationState, _bql: &mut BqlGuard<'_>) {
        let side = state.side(self.direction);
        side.set_thread(None);
        side.progress.end(self.status);
    }
}

/// Keeps what went wrong, before anything is cleaned up; an error that is only the request to
/// cancel coming back is kept as that.
pub(crate) fn keep_error(state: &MigrationState, direction: Direction, error: MigrationError) {
    let side = state.side(direction);
    let cancelled = side.stop.is_cancelled();
    side.progress.set_error(if cancelled { MigrationError::Cancelled } else { error });
}

/// A migration has begun, and no other runs. The first phase takes it, so that nobody starts
/// one beside a migration that runs.
#[must_use = "a migration that has begun has to come to an end"]
#[derive(Debug)]
pub struct Begun(());

/// Begins a migration: none may run, either way.
pub(crate) fn begin(
    state: &MigrationState,
    _bql: &mut BqlGuard<'_>,
    direction: Direction,
) -> Result<Begun, MigrationError> {
    state.check_idle()?;
    let side = state.side(direction);
    side.stop.reset();
    side.progress.begin();
    Ok(Begun(()))
}

/// Starts the thread of a migration that has begun. The thread owns its count from before it
/// exists; if it cannot be started the migration has failed.
pub(crate) fn spawn(
    state: Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    direction: Direction,
    name: &str,
    begun: Begun,
    run: impl FnOnce(&MigrationState, &mut BqlUnlocked, Begun) -> Cleaned + Send + 'static,
    clean_up_after_panic: fn(&MigrationState, &mut BqlGuard<'_>) -> Cleaned,
) -> Result<(), MigrationError> {
    let owned = state.counted();
    let body = move || {
        let state = owned;
        let Ok(mut thread) = BqlUnlocked::attach() else {
            unreachable!("a thread that has just begun has no lock token");
        };
        state.side(direction).set_thread(Some(thread::current().id()));
        let cleaned = catch_unwind(AssertUnwindSafe(|| run(&state, &mut thread, begun)));
        let mut guard = thread.lock();
        let cleaned = cleaned.unwrap_or_else(|panic| {
            let message = words(&*panic);
            keep_error(&state, direction, MigrationError::Panicked { message });
            // What is cleaned up may panic again. Then it is left as it is, and the end
            // becomes known all the same.
            catch_unwind(AssertUnwindSafe(|| clean_up_after_panic(&state, &mut guard)))
                .unwrap_or_else(|_| Cleaned::failed(&state, direction))
        });
        cleaned.publish(&state, &mut guard);
    };
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(_detached) => Ok(()),
        Err(source) => {
            let (what, kind) = ("thread", source.kind());
            keep_error(&state, direction, MigrationError::Resources { what, source });
            Cleaned::failed(&state, direction).publish(&state, bql);
            Err(MigrationError::Resources { what, source: kind.into() })
        }
    }
}
