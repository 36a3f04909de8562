//! One attempt to migrate, whichever way: how it begins, the thread it runs on, and how its
//! end becomes known.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use bql::{BqlGuard, BqlUnlocked};

use crate::error::MigrationError;
use crate::fate::Whereabouts;
use crate::state::MigrationState;
use crate::status::{Direction, MigrationStatus};
use crate::transport::StopReason;

/// What cleaning up returns. Only it can publish the end of a migration, so nobody sees one
/// that ended and is still being cleaned up.
#[must_use = "the end of the migration is not known until it is published"]
#[derive(Debug)]
pub struct Cleaned {
    state: Arc<MigrationState>,
    direction: Direction,
    status: MigrationStatus,
}

impl Cleaned {
    /// The end that was reached, whatever happened while it was cleaned up.
    pub(crate) fn as_reached(state: &Arc<MigrationState>, direction: Direction) -> Self {
        let side = state.side(direction);
        let status = match side.fate.get() {
            Whereabouts::Destination { .. } => MigrationStatus::Completed,
            Whereabouts::Source if side.stop.is_cancelled() => MigrationStatus::Cancelled,
            Whereabouts::Source | Whereabouts::Unknown => MigrationStatus::Failed,
        };
        Cleaned { state: Arc::clone(state), direction, status }
    }

    /// Lets everybody see the end of the migration.
    pub fn publish(self, _bql: &mut BqlGuard<'_>) {
        let side = self.state.side(self.direction);
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
/// one beside a migration that runs. Each phase hands it on to the next: it is the object that a
/// phase works on, and there is no way to give it another one.
#[must_use = "a migration that has begun has to come to an end"]
#[derive(Debug)]
pub struct Begun(Arc<MigrationState>);

impl Begun {
    /// The object that this migration began with.
    pub(crate) fn state(&self) -> &Arc<MigrationState> {
        &self.0
    }

    /// A count for the thread `holder`, which works on this migration.
    pub(crate) fn counted_for(&self, holder: &str) -> Arc<MigrationState> {
        self.0.counted_for(holder)
    }
}

/// Begins a migration: none may run, either way, and the machine must not be another object's.
pub(crate) fn begin(
    state: &Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    direction: Direction,
) -> Result<Begun, MigrationError> {
    state.check_idle()?;
    state.host.check_nothing_kept()?;
    state.possess(bql)?;
    let side = state.side(direction);
    side.stop.reset();
    side.fate.set(Whereabouts::Source);
    side.progress.begin();
    Ok(Begun(Arc::clone(state)))
}

/// Starts the thread of a migration that has begun. The thread owns its count from before it
/// exists; if it cannot be started the migration has failed.
///
/// `run` goes through the phases without the lock. What it ends with is cleaned up and
/// published with the lock held all the time (a call-out may release it in between): who gets
/// the lock sees the migration run or over. After a panic there is no end to hand on, and
/// `clean_up` asks the [`Fate`](crate::fate::Fate) what was reached.
pub(crate) fn spawn<End: 'static>(
    state: Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    direction: Direction,
    name: &str,
    run: impl FnOnce(&MigrationState, &mut BqlUnlocked) -> End + Send + 'static,
    clean_up: fn(&Arc<MigrationState>, &mut BqlGuard<'_>, Option<End>) -> Cleaned,
) -> Result<(), MigrationError> {
    let owned = state.counted_for(name);
    let body = move || {
        let state = owned;
        let Ok(mut thread) = BqlUnlocked::attach() else {
            unreachable!("a thread that has just begun has no lock token");
        };
        state.side(direction).set_thread(Some(thread::current().id()));
        let end = caught(&state, direction, || run(&state, &mut thread));
        // The end is there: who asks it to stop now asks too late.
        let _ = state.side(direction).stop.close();
        let mut guard = thread.lock();
        // Each step of cleaning up is caught by itself. So this panics only for a fault of the
        // engine, and what was reached is true all the same.
        let cleaned = caught(&state, direction, || clean_up(&state, &mut guard, end));
        let cleaned = cleaned.unwrap_or_else(|| Cleaned::as_reached(&state, direction));
        cleaned.publish(&mut guard);
        drop(guard);
        drop(thread);
        state.give_back();
    };
    match thread::Builder::new().name(name.to_owned()).spawn(body) {
        Ok(_detached) => Ok(()),
        Err(source) => {
            let (what, again) =
                ("thread", io::Error::from_raw_os_error(source.raw_os_error().unwrap_or(0)));
            keep_error(&state, direction, MigrationError::Resources { what, source });
            Cleaned::as_reached(&state, direction).publish(bql);
            Err(MigrationError::Resources { what, source: again })
        }
    }
}

/// Runs a step; a panic in it is kept as the migration's error, if it is the first.
pub(crate) fn caught<R>(
    state: &MigrationState,
    direction: Direction,
    step: impl FnOnce() -> R,
) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(done) => Some(done),
        Err(panic) => {
            keep_error(state, direction, MigrationError::of_panic(panic));
            None
        }
    }
}

/// Lets a migration fail for what happened on a thread of one of its channels: the first error
/// is kept, and every wait of its other threads ends. What came of a request to stop, or of the end
/// of the migration, is no error of its own.
pub(crate) fn fail_from_channel(
    state: &MigrationState,
    direction: Direction,
    error: MigrationError,
) {
    let side = state.side(direction);
    side.stop.request_after(StopReason::Fail, || side.progress.set_error(error));
}
