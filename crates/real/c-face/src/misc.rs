//! The questions of `include/migration/misc.h`. Each answers at any time; without a migration
//! object nothing runs, and nobody is its thread.

use std::ffi::c_int;
use std::io::Write;

use crate::error::Error;
use crate::lock::with_bql;

/// Whether a migration away from here runs. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_running() -> bool {
    with_bql("migration_is_running", |bql| migration::is_running(bql))
}

/// Whether none runs. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_idle() -> bool {
    with_bql("migration_is_idle", |bql| migration::is_idle(bql))
}

/// Whether memory is on its way. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_active() -> bool {
    with_bql("migration_is_active", |bql| migration::is_active(bql))
}

/// Whether the devices are on their way. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_device() -> bool {
    with_bql("migration_is_device", |bql| migration::is_device(bql))
}

/// Whether a migration runs and was not cancelled. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_setup_or_active() -> bool {
    with_bql("migration_is_setup_or_active", |bql| migration::is_setup_or_active(bql))
}

/// Whether the calling thread is the migration thread. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_thread_is_self() -> bool {
    with_bql("migration_thread_is_self", |bql| migration::thread_is_self(bql))
}

/// Lets the migration that runs fail with `err`, which it takes over; without one it prints
/// `err`. NULL stands for the text of the errno `ret`. Needs the lock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn migration_file_set_error(ret: c_int, err: *mut Error) {
    let refused = with_bql("migration_file_set_error", |bql| {
        // SAFETY: null or an error of this library, and the caller gives it up.
        let error = unsafe { Error::take(err) };
        let text = error.map_or_else(
            || std::io::Error::from_raw_os_error(ret.saturating_abs()).to_string(),
            |error| error.text(),
        );
        migration::file_set_error(bql, text)
    });
    if let Err(text) = refused {
        // QEMU's `error_report_err`; without standard error there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "lastref: {text}");
    }
}

/// What kind of migration the next one is. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migrate_mode() -> MigMode {
    with_bql("migrate_mode", |bql| match migration::parameters(bql).mode {
        migration::MigMode::Normal => MigMode::Normal,
        migration::MigMode::CprReboot => MigMode::CprReboot,
        migration::MigMode::CprTransfer => MigMode::CprTransfer,
        migration::MigMode::CprExec => MigMode::CprExec,
    })
}

/// What kind of migration it is (QAPI's MigMode).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum MigMode {
    /// To another process, while the machine runs.
    Normal,
    /// To a file, for the time in which the host restarts.
    CprReboot,
    /// To another process on this host, which takes the memory over.
    CprTransfer,
    /// To the program that this process becomes.
    CprExec,
}

/// How a machine that has arrived tells the network; times in milliseconds.
#[repr(C)]
#[derive(Debug)]
pub struct AnnounceParameters {
    /// Before the first announcement.
    pub initial: i64,
    /// The longest between two.
    pub max: i64,
    /// How many.
    pub rounds: i64,
    /// By how much the time between two grows.
    pub step: i64,
}

/// How a machine that has arrived tells the network: a copy, where QEMU gives the address of a
/// static. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migrate_announce_params() -> AnnounceParameters {
    with_bql("migrate_announce_params", |bql| {
        let parameters = migration::announce_params(bql);
        let ms = |time: std::time::Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        AnnounceParameters {
            initial: ms(parameters.initial),
            max: ms(parameters.max),
            rounds: parameters.rounds.into(),
            step: ms(parameters.step),
        }
    })
}
