//! Reasons not to migrate: `include/migration/blocker.h`.
//!
//! A blocker is a handle, and dropping it removes it (`migrate_del_blocker`), at any time and
//! on any thread. QEMU's functions differ in the modes they forbid, as here.

use bql::BqlGuard;
use engine::{Blocker, MigMode, MigModes};

use crate::{CommandError, is_running, register};

/// Forbids every migration until the returned handle is dropped (`migrate_add_blocker`). The
/// handle may be made before there is a migration object and outlive it.
///
/// # Errors
///
/// If a migration runs, since it is too late to forbid it, or if the machine has to stay
/// migratable.
pub fn add_blocker(bql: &mut BqlGuard<'_>, reason: &str) -> Result<Blocker, CommandError> {
    add_blocker_modes(bql, MigModes::ALL, reason)
}

/// Forbids migrations of mode `normal` (`migrate_add_blocker_normal`).
///
/// # Errors
///
/// As [`add_blocker`].
pub fn add_blocker_normal(bql: &mut BqlGuard<'_>, reason: &str) -> Result<Blocker, CommandError> {
    add_blocker_modes(bql, MigMode::Normal.into(), reason)
}

/// Forbids migrations of the given modes (`migrate_add_blocker_modes`).
///
/// # Errors
///
/// As [`add_blocker`]; a machine that has to stay migratable may be blocked in modes other
/// than `normal`.
pub fn add_blocker_modes(
    bql: &mut BqlGuard<'_>,
    modes: MigModes,
    reason: &str,
) -> Result<Blocker, CommandError> {
    refuse_if_running(bql, reason)?;
    Ok(register(bql, |registrations| registrations.add_blocker_modes(modes, reason))?)
}

/// Forbids every migration, also of a machine that has to stay migratable
/// (`migrate_add_blocker_internal`).
///
/// # Errors
///
/// If a migration runs.
pub fn add_blocker_internal(bql: &mut BqlGuard<'_>, reason: &str) -> Result<Blocker, CommandError> {
    refuse_if_running(bql, reason)?;
    Ok(register(bql, |registrations| registrations.add_blocker(reason)))
}

/// Sets whether this machine has to stay migratable (`-only-migratable`).
pub fn set_only_migratable(bql: &mut BqlGuard<'_>, only_migratable: bool) {
    register(bql, |registrations| registrations.set_only_migratable(only_migratable));
}

/// Returns the reasons not to migrate in the current mode (`blocked-reasons` of `query-migrate`).
pub fn blocked_reasons(bql: &mut BqlGuard<'_>) -> Vec<String> {
    let mode = crate::parameters(bql).mode;
    register(bql, |registrations| registrations.blockers(mode))
}

fn refuse_if_running(bql: &BqlGuard<'_>, reason: &str) -> Result<(), CommandError> {
    if is_running(bql) {
        return Err(CommandError::Busy { reason: reason.to_owned() });
    }
    Ok(())
}
