//! The source: `migration/migration.c`, `migration_thread`.
//!
//! A migration goes through phases, each a type: [`Setup`], [`Active`], [`Switchover`], and
//! at the end [`Completed`] or [`Failed`]. Moving on consumes the phase, and only the last
//! two can be cleaned up.

mod active;
mod convergence;
mod finish;
mod multifd;
mod ram;
mod return_path;
mod setup;
mod stream;
mod switchover;

use std::sync::Arc;

use bql::{BqlGuard, BqlUnlocked};

use crate::attempt::{self, Begun, Cleaned};
use crate::error::MigrationError;
use crate::host::VmStopped;
use crate::parameters::MigMode;
use crate::state::MigrationState;
use crate::status::Direction;
use crate::transport::Endpoint;

pub use active::{Active, Converged};
pub use finish::{Completed, Failed};
pub use setup::Setup;
pub use switchover::Switchover;

/// Begins to migrate to `endpoint` and returns (`qmp_migrate`). The rest happens on a thread
/// of its own; watch it with an [`Observer`](crate::Observer).
///
/// # Errors
///
/// If a migration runs, if one is blocked, or if there can be no thread for it.
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
    let begun = attempt::begin(&state, bql, Direction::Outgoing)?;
    state.go_on.clear();
    attempt::spawn(
        state,
        bql,
        Direction::Outgoing,
        "mig/src/main",
        move |state, thread| through_the_phases(state, thread, begun, endpoint),
        clean_up,
    )
}

fn clean_up(
    state: &MigrationState,
    bql: &mut BqlGuard<'_>,
    end: Option<Result<Completed, Failed>>,
) -> Cleaned {
    match end {
        Some(Ok(completed)) => completed.clean_up(state, bql),
        Some(Err(failed)) => failed.clean_up(state, bql),
        // Nothing is known of the phase that panicked, so the machine is stopped, if it was
        // not, and then made to go on.
        None => {
            let stopped = VmStopped::stop(&*state.host.vm, bql);
            Failed::after_panic().after_stop(stopped).clean_up(state, bql)
        }
    }
}

fn through_the_phases(
    state: &MigrationState,
    thread: &mut BqlUnlocked,
    begun: Begun,
    endpoint: Endpoint,
) -> Result<Completed, Failed> {
    Setup::connect(state, thread, begun, endpoint)?
        .activate(state, thread)?
        .iterate(state, thread)?
        .switch_over(state, thread)?
        .complete(state, thread)
}
