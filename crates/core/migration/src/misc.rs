//! The questions of `include/migration/misc.h`, and what a device may say to a migration.
//!
//! Each answers at any time. Without a migration object, before it is made and after it was
//! shut down, the answer is the one that Peter Xu's patches of October 2024 gave where they
//! gave one: nothing runs, nobody is the migration thread, an error goes back to who has it.

use bql::BqlGuard;
use engine::{
    AnnounceParameters, Direction, MigModes, MigrationEvent, MigrationParameters, MigrationState,
    MigrationStatus, Notifier,
};

use crate::{CURRENT, counted, register};

/// The status of a migration away from here; `None` without a migration object and before
/// the first migration.
fn status(bql: &BqlGuard<'_>) -> MigrationStatus {
    CURRENT.object.get(bql).map_or(MigrationStatus::None, |state| state.status(Direction::Outgoing))
}

/// Whether a migration away from here runs (`migration_is_running`). Without a migration
/// object: no.
pub fn is_running(bql: &BqlGuard<'_>) -> bool {
    status(bql).is_running()
}

/// Whether none runs (`migration_is_idle` of QEMU 9.1). Without a migration object: yes.
pub fn is_idle(bql: &BqlGuard<'_>) -> bool {
    !is_running(bql)
}

/// Whether one runs and was not cancelled (`migration_is_setup_or_active` of QEMU 9.1).
pub fn is_setup_or_active(bql: &BqlGuard<'_>) -> bool {
    is_running(bql) && status(bql) != MigrationStatus::Cancelling
}

/// Whether memory is on its way (`migration_is_active` of QEMU 9.2).
pub fn is_active(bql: &BqlGuard<'_>) -> bool {
    status(bql) == MigrationStatus::Active
}

/// Whether the devices are on their way (`migration_is_device` of QEMU 9.2).
pub fn is_device(bql: &BqlGuard<'_>) -> bool {
    status(bql) == MigrationStatus::Device
}

/// Whether the calling thread is the migration thread (`migration_thread_is_self`). Without
/// a migration object nobody is.
pub fn thread_is_self(bql: &BqlGuard<'_>) -> bool {
    CURRENT.object.get(bql).is_some_and(MigrationState::thread_is_self)
}

/// Lets the migration that runs fail, with the word of a device that cannot go on
/// (`migration_file_set_error`).
///
/// # Errors
///
/// The word comes back if there is no migration to fail. QEMU prints it then, and the patch
/// that guarded this function lost it.
pub fn file_set_error(bql: &mut BqlGuard<'_>, error: String) -> Result<(), String> {
    match counted(bql) {
        Some(state) => state.fail(bql, error),
        None => Err(error),
    }
}

/// The current parameters; QEMU's defaults without a migration object.
pub fn parameters(bql: &BqlGuard<'_>) -> MigrationParameters {
    CURRENT.object.get(bql).map(MigrationState::parameters).unwrap_or_default()
}

/// How a machine that has arrived tells the network (`migrate_announce_params`); QEMU's
/// defaults without a migration object. A copy: QEMU returns the address of a static.
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

/// The same for migrations of some modes (`migration_add_notifier_modes`).
pub fn add_notifier_modes(
    bql: &mut BqlGuard<'_>,
    modes: MigModes,
    notify: impl Fn(&mut BqlGuard<'_>, MigrationEvent) -> Result<(), String> + Send + Sync + 'static,
) -> Notifier {
    register(bql, |registrations| registrations.add_notifier_modes(modes, notify))
}
