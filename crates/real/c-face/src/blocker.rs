//! Reasons not to migrate: `include/migration/blocker.h`.
//!
//! The reason is an error of C, and it contains the blocker: freeing it removes the blocker.

use std::ffi::{c_int, c_uint};

use bql::BqlGuard;
use migration::{Blocker, CommandError};

use crate::boundary::{die, entry};
use crate::error::{Error, Failure, tell};
use crate::lock::with_bql;
use crate::notifier::modes as set;

/// Adds a blocker with the reason in `*reasonp`, and reports the result.
///
/// # Safety
///
/// Both pointers are as the header says.
unsafe fn add(
    function: &str,
    reasonp: *mut *mut Error,
    errp: *mut *mut Error,
    add: impl FnOnce(&mut BqlGuard<'_>, &str) -> Result<Blocker, CommandError>,
) -> c_int {
    let result = with_bql(function, |bql| {
        // SAFETY: null or a pointer that may be read and written.
        let Some(place) = (unsafe { reasonp.as_mut() }) else {
            die(function, "reasonp is NULL");
        };
        // SAFETY: null or an error of this library, whose owner is the caller.
        let Some(reason) = (unsafe { place.as_mut() }) else {
            die(function, "the reason is NULL");
        };
        if reason.blocker.is_some() {
            die(function, "this reason blocks already");
        }
        match add(bql, &reason.text()) {
            Ok(blocker) => {
                reason.blocker = Some(blocker);
                Ok(())
            }
            Err(error) => {
                // SAFETY: as above; the function takes it over.
                drop(unsafe { Error::take(std::mem::replace(place, std::ptr::null_mut())) });
                Err(Failure::from(error))
            }
        }
    });
    // SAFETY: as the header says.
    unsafe { tell(function, result, errp) }
}

/// Forbids migration in every mode, for the reason `*reasonp`, until `migrate_del_blocker`. On
/// failure it frees the reason, sets `*reasonp` to NULL, and returns -EBUSY if a migration runs or
/// -EACCES if the machine must stay migratable. It may be called before there is a migration
/// object. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migrate_add_blocker(
    reasonp: *mut *mut Error,
    errp: *mut *mut Error,
) -> c_int {
    // SAFETY: as the header says.
    unsafe { add("migrate_add_blocker", reasonp, errp, migration::add_blocker) }
}

/// Forbids migration in mode normal; otherwise like `migrate_add_blocker`. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migrate_add_blocker_normal(
    reasonp: *mut *mut Error,
    errp: *mut *mut Error,
) -> c_int {
    // SAFETY: as the header says.
    unsafe { add("migrate_add_blocker_normal", reasonp, errp, migration::add_blocker_normal) }
}

/// Forbids migration in the given `modes`, the bits 1 << mode; otherwise like
/// `migrate_add_blocker`. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migrate_add_blocker_modes(
    reasonp: *mut *mut Error,
    modes: c_uint,
    errp: *mut *mut Error,
) -> c_int {
    const FUNCTION: &str = "migrate_add_blocker_modes";
    let blocked = |bql: &mut BqlGuard<'_>, reason: &str| {
        let modes = set(modes).unwrap_or_else(|| die(FUNCTION, "there is no such mode"));
        migration::add_blocker_modes(bql, modes, reason)
    };
    // SAFETY: as the header says.
    unsafe { add(FUNCTION, reasonp, errp, blocked) }
}

/// Forbids migration in every mode, also of a machine that must stay migratable; otherwise like
/// `migrate_add_blocker`. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migrate_add_blocker_internal(
    reasonp: *mut *mut Error,
    errp: *mut *mut Error,
) -> c_int {
    // SAFETY: as the header says.
    unsafe { add("migrate_add_blocker_internal", reasonp, errp, migration::add_blocker_internal) }
}

/// Removes a blocker, frees the reason, and sets `*reasonp` to NULL; does nothing if that is NULL.
/// It works at any time, with the lock or without it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migrate_del_blocker(reasonp: *mut *mut Error) {
    const FUNCTION: &str = "migrate_del_blocker";
    entry(FUNCTION, || {
        // SAFETY: null or a pointer that may be read and written.
        let Some(place) = (unsafe { reasonp.as_mut() }) else {
            die(FUNCTION, "reasonp is NULL");
        };
        // SAFETY: null or an error of this library, and the caller gives it up.
        drop(unsafe { Error::take(std::mem::replace(place, std::ptr::null_mut())) });
    });
}

/// Sets whether this machine must stay migratable (-only-migratable). Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn lastref_set_only_migratable(only_migratable: bool) {
    with_bql("lastref_set_only_migratable", |bql| {
        migration::set_only_migratable(bql, only_migratable);
    });
}
