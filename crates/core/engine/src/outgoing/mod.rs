//! The source: `migration/migration.c`, `migration_thread`.
//!
//! A migration goes through phases, and each is a type: [`Setup`], [`Active`], [`Converged`],
//! [`Switchover`], and at the end [`Completed`], [`Failed`] or [`Uncertain`]. Each transition
//! consumes the phase, and only the last three can be cleaned up. A phase keeps the object that it
//! began with.

mod active;
mod convergence;
mod finish;
mod multifd;
mod pace;
mod pass;
mod ram;
mod return_path;
mod setup;
mod stream;
mod switchover;

use std::sync::Arc;

use bql::{BqlGuard, BqlUnlocked};

use crate::attempt::{self, Begun, Cleaned};
use crate::error::MigrationError;
use crate::host::RunState;
use crate::parameters::MigMode;
use crate::state::MigrationState;
use crate::status::Direction;
use crate::transport::Endpoint;

use finish::clean_up_after_panic;

pub use active::{Active, Converged};
pub use finish::{Completed, Failed, NotCompleted, Uncertain};
pub use setup::Setup;
pub use switchover::Switchover;

/// Starts a migration to `endpoint` and returns (`qmp_migrate`). A separate thread does the rest;
/// an [`Observer`](crate::Observer) can watch it.
///
/// # Errors
///
/// If a migration runs, if migration is blocked, if the machine belongs to another object or is not
/// here, or if no thread can be started.
pub fn migrate(
    state: Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    endpoint: Endpoint,
) -> Result<(), MigrationError> {
    let mode = state.parameters().mode;
    let reasons = state.registrations(bql).blockers(mode);
    if !reasons.is_empty() {
        return Err(MigrationError::Blocked { reasons });
    }
    if mode != MigMode::Normal {
        return Err(MigrationError::Mode { mode: mode.name() });
    }
    let run_state = state.host.vm.run_state(bql);
    if matches!(run_state, RunState::InMigrate | RunState::PostMigrate) {
        return Err(MigrationError::NotHere { run_state: run_state.name() });
    }
    let begun = attempt::begin(&state, bql, Direction::Outgoing)?;
    state.continued.clear();
    attempt::spawn(
        state,
        bql,
        Direction::Outgoing,
        "mig/src/main",
        move |_, thread| through_the_phases(begun, thread, endpoint),
        clean_up,
    )
}

fn clean_up(
    state: &Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    end: Option<Result<Completed, NotCompleted>>,
) -> Cleaned {
    match end {
        Some(Ok(completed)) => completed.clean_up(bql),
        Some(Err(NotCompleted::Failed(failed))) => failed.clean_up(bql),
        Some(Err(NotCompleted::Uncertain(uncertain))) => uncertain.clean_up(bql),
        None => clean_up_after_panic(state, bql),
    }
}

fn through_the_phases(
    begun: Begun,
    thread: &mut BqlUnlocked,
    endpoint: Endpoint,
) -> Result<Completed, NotCompleted> {
    Setup::connect(begun, thread, endpoint)?
        .activate(thread)?
        .iterate(thread)?
        .switch_over(thread)?
        .complete(thread)
}
