//! The QMP commands that start and end a migration.

use std::ffi::{c_char, c_int};

use bql::BqlGuard;
use migration::{CommandError, Direction, Endpoint, Uri};

use crate::error::{Error, Failure, tell, text};
use crate::lock::with_bql;

/// Parses `uri`, runs `begin` with it, and reports the result.
///
/// # Safety
///
/// Both pointers are as the header says.
unsafe fn begin(
    function: &str,
    uri: *const c_char,
    errp: *mut *mut Error,
    begin: impl FnOnce(&mut BqlGuard<'_>, Endpoint) -> Result<(), CommandError>,
) -> c_int {
    let result = with_bql(function, |bql| {
        // SAFETY: a text, as the header says.
        let uri = unsafe { text(function, uri) }.to_string_lossy();
        let uri: Uri = uri.parse().map_err(|error| Failure::new(libc::EINVAL, &error))?;
        begin(bql, uri.into()).map_err(Failure::from)
    });
    // SAFETY: as the header says.
    unsafe { tell(function, result, errp) }
}

/// Starts a migration to `uri` (unix:, tcp:, exec:, file:) and returns. Returns 0, or a negative
/// errno with the reason in `*errp`: -EINVAL if `uri` is not a URI, -ENODEV without a migration
/// object, -EBUSY if a migration runs or an object that was shut down still has the machine, -EPERM
/// if migration is blocked or the machine is in a state that does not allow it. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_migrate(uri: *const c_char, errp: *mut *mut Error) -> c_int {
    // SAFETY: as the header says.
    unsafe { begin("lastref_migrate", uri, errp, migration::migrate) }
}

/// Starts to wait for a migration at `uri` and returns; otherwise like `lastref_migrate`. Needs the
/// lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_migrate_incoming(
    uri: *const c_char,
    errp: *mut *mut Error,
) -> c_int {
    // SAFETY: as the header says.
    unsafe { begin("lastref_migrate_incoming", uri, errp, migration::migrate_incoming) }
}

/// Asks the running migration to stop, and returns; does nothing if none runs. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn lastref_migrate_cancel() {
    with_bql("lastref_migrate_cancel", |bql| migration::cancel(bql, Direction::Outgoing));
}

/// Resumes a machine here that a migration left stopped, because it may run at the destination.
/// Make sure first that it does not. Returns 0, or a negative errno with the reason in `*errp`:
/// -ENODEV without a migration object, -EBUSY if a migration runs, -EPERM if none left the machine
/// stopped. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_cont(errp: *mut *mut Error) -> c_int {
    const FUNCTION: &str = "lastref_cont";
    let result = with_bql(FUNCTION, |bql| migration::cont(bql).map_err(Failure::from));
    // SAFETY: as the header says.
    unsafe { tell(FUNCTION, result, errp) }
}

/// Gives up the right to resume the machine here, because it was seen to run at the destination of
/// the migration that left it stopped. Otherwise like `lastref_cont`. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_confirm_moved(errp: *mut *mut Error) -> c_int {
    const FUNCTION: &str = "lastref_confirm_moved";
    let result = with_bql(FUNCTION, |bql| migration::confirm_moved(bql).map_err(Failure::from));
    // SAFETY: as the header says.
    unsafe { tell(FUNCTION, result, errp) }
}
