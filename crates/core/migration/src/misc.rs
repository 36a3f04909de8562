//! The queries of `include/migration/misc.h`, and what a device may report to a migration.
//!
//! Each works at any time. Without a migration object, before it is made and after it was shut
//! down, the result is that of Peter Xu's patches of October 2024 where they define one: no
//! migration runs, no thread is the migration thread, and an error is returned to the caller.

use bql::BqlGuard;
use engine::{
    AnnounceParameters, Direction, MigModes, MigrationEvent, MigrationParameters, MigrationState,
    MigrationStatus, Notifier,
};

use crate::{CURRENT, counted, register};

/// Returns the status of the outgoing migration; `None` without a migration object and before the
/// first migration.
fn status(bql: &BqlGuard<'_>) -> MigrationStatus {
    CURRENT.object.get(bql).map_or(MigrationStatus::None, |state| state.status(Direction::Outgoing))
}

/// Returns whether an outgoing migration runs (`migration_is_running`); `false` without a migration
/// object.
pub fn is_running(bql: &BqlGuard<'_>) -> bool {
    status(bql).is_running()
}

/// Returns whether no outgoing migration runs (`migration_is_idle` of QEMU 9.1); `true` without a
/// migration object.
pub fn is_idle(bql: &BqlGuard<'_>) -> bool {
    !is_running(bql)
}

/// Returns whether an outgoing migration runs and was not cancelled (`migration_is_setup_or_active`
/// of QEMU 9.1).
pub fn is_setup_or_active(bql: &BqlGuard<'_>) -> bool {
    is_running(bql) && status(bql) != MigrationStatus::Cancelling
}

/// Returns whether memory is being sent (`migration_is_active` of QEMU 9.2).
pub fn is_active(bql: &BqlGuard<'_>) -> bool {
    status(bql) == MigrationStatus::Active
}

/// Returns whether the devices are being sent (`migration_is_device` of QEMU 9.2).
pub fn is_device(bql: &BqlGuard<'_>) -> bool {
    status(bql) == MigrationStatus::Device
}

/// Returns whether the calling thread is the migration thread (`migration_thread_is_self`); `false`
/// without a migration object.
pub fn thread_is_self(bql: &BqlGuard<'_>) -> bool {
    CURRENT.object.get(bql).is_some_and(MigrationState::thread_is_self)
}

/// Makes the running migration fail with `error`, which a device reports
/// (`migration_file_set_error`).
///
/// # Errors
///
/// If no migration runs, the same `error`. QEMU prints it then, and the patch that guarded this
/// function lost it.
pub fn file_set_error(bql: &mut BqlGuard<'_>, error: String) -> Result<(), String> {
    match counted(bql) {
        Some(state) => state.fail(bql, error),
        None => Err(error),
    }
}

/// Returns the current parameters; QEMU's defaults without a migration object.
pub fn parameters(bql: &BqlGuard<'_>) -> MigrationParameters {
    CURRENT.object.get(bql).map(MigrationState::parameters).unwrap_or_default()
}

/// Returns how a machine announces itself on the network after it has arrived
/// (`migrate_announce_params`); QEMU's defaults without a migration object. The result is a copy,
/// where QEMU returns the address of a static.
pub fn announce_params(bql: &BqlGuard<'_>) -> AnnounceParameters {
    parameters(bql).announce
}

/// Calls `notify` at each event of each migration of mode `normal`, until the returned handle
/// is dropped (`migration_add_notifier`, `migration_remove_notifier`). The handle may be made
/// before there is a migration object and outlive it.
pub fn add_notifier(
    bql: &mut BqlGuard<'_>,
    notify: impl Fn(&mut BqlGuard<'_>, MigrationEvent) -> Result<(), String> + Send + Sync + 'static,
) -> Notifier {
    register(bql, |registrations| registrations.add_notifier(notify))
}

/// Calls `notify` like [`add_notifier`], for migrations of the given modes
/// (`migration_add_notifier_modes`).
pub fn add_notifier_modes(
    bql: &mut BqlGuard<'_>,
    modes: MigModes,
    notify: impl Fn(&mut BqlGuard<'_>, MigrationEvent) -> Result<(), String> + Send + Sync + 'static,
) -> Notifier {
    register(bql, |registrations| registrations.add_notifier_modes(modes, notify))
}
