//! One attempt to migrate, in either direction: how it begins, the thread it runs on, and how its
//! end is published.

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

/// Proof that a migration was cleaned up. Only this value can publish the end of a migration, so no
/// observer sees a migration as ended while it is still being cleaned up.
#[must_use = "the end of the migration is not known until it is published"]
#[derive(Debug)]
pub struct Cleaned {
    state: Arc<MigrationState>,
    direction: Direction,
    status: MigrationStatus,
}

impl Cleaned {
    /// Makes the value with the end that was reached, whatever happened during clean-up.
    pub(crate) fn as_reached(state: &Arc<MigrationState>, direction: Direction) -> Self {
        let side = state.side(direction);
        let status = match side.fate.get() {
            Whereabouts::Destination { .. } => MigrationStatus::Completed,
            Whereabouts::Source if side.stop.is_cancelled() => MigrationStatus::Cancelled,
            Whereabouts::Source | Whereabouts::Unknown => MigrationStatus::Failed,
        };
        Cleaned { state: Arc::clone(state), direction, status }
    }

    /// Publishes the end of the migration.
    pub fn publish(self, _bql: &mut BqlGuard<'_>) {
        let side = self.state.side(self.direction);
        side.set_thread(None);
        side.progress.end(self.status);
    }
}

/// Keeps `error` before anything is cleaned up. After a cancel it keeps
/// [`MigrationError::Cancelled`] instead, because the error only reports the cancel.
pub(crate) fn keep_error(state: &MigrationState, direction: Direction, error: MigrationError) {
    let side = state.side(direction);
    let cancelled = side.stop.is_cancelled();
    side.progress.set_error(if cancelled { MigrationError::Cancelled } else { error });
}

/// Proof that a migration has begun and no other runs. The first phase takes it by value,
/// and it moves from phase to phase, so a second chain of phases cannot start beside a running
/// migration. It carries the object that a phase works on; a phase cannot be given another one.
#[must_use = "a migration that has begun has to come to an end"]
#[derive(Debug)]
pub struct Begun(Arc<MigrationState>);

impl Begun {
    /// Returns the object that this migration began with.
    pub(crate) fn state(&self) -> &Arc<MigrationState> {
        &self.0
    }

    /// Takes a count for the thread `holder`, which works on this migration.
    pub(crate) fn counted_for(&self, holder: &str) -> Arc<MigrationState> {
        self.0.counted_for(holder)
    }
}

/// Begins a migration. None may run in either direction, and the machine must not belong to another
/// object.
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

/// Starts the thread of a migration that has begun. The thread owns its count before it exists. If
/// it cannot be started, the migration has failed.
///
/// `run` goes through the phases without the lock. Its result is cleaned up and published under one
/// hold of the lock (a call-out may release it in between), so a thread that takes the lock sees
/// the migration either running or over. After a panic there is no result, and `clean_up` reads the
/// [`Fate`](crate::fate::Fate) to see what was reached.
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
        // The end is reached: a stop request from here on is too late.
        let _ = state.side(direction).stop.close();
        let mut guard = thread.lock();
        // Each step of clean-up catches its own panic. So this catches only a bug of the engine,
        // and the fate is correct all the same.
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

/// Runs `step`, and keeps a panic in it as the migration's error if it is the first.
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

/// Fails a migration because of an error on the thread of one of its channels: keeps the first
/// error, and ends every wait of the other threads. After a stop request or the end of the
/// migration, `error` is only a consequence and is dropped.
pub(crate) fn fail_from_channel(
    state: &MigrationState,
    direction: Direction,
    error: MigrationError,
) {
    let side = state.side(direction);
    side.stop.request_after(StopReason::Fail, || side.progress.set_error(error));
}
