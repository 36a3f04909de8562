//! The queries of `include/migration/misc.h`. Each works at any time; without a migration object no
//! migration runs, and no thread is its thread.

use std::ffi::c_int;
use std::io::Write;

use crate::error::Error;
use crate::lock::with_bql;

/// Returns whether an outgoing migration runs. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_running() -> bool {
    with_bql("migration_is_running", |bql| migration::is_running(bql))
}

/// Returns whether no outgoing migration runs. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_idle() -> bool {
    with_bql("migration_is_idle", |bql| migration::is_idle(bql))
}

/// Returns whether memory is being sent. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_active() -> bool {
    with_bql("migration_is_active", |bql| migration::is_active(bql))
}

/// Returns whether the devices are being sent. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_device() -> bool {
    with_bql("migration_is_device", |bql| migration::is_device(bql))
}

/// Returns whether an outgoing migration runs and was not cancelled. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_is_setup_or_active() -> bool {
    with_bql("migration_is_setup_or_active", |bql| migration::is_setup_or_active(bql))
}

/// Returns whether the calling thread is the migration thread. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migration_thread_is_self() -> bool {
    with_bql("migration_thread_is_self", |bql| migration::thread_is_self(bql))
}

/// Makes the running migration fail with `err`, and takes `err` over; prints `err` if none runs. If
/// `err` is NULL, the text is that of the errno `ret`. Needs the lock.
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
        // QEMU's `error_report_err`. If standard error is closed, the message is lost.
        let _ = writeln!(std::io::stderr(), "lastref: {text}");
    }
}

/// Returns the mode of the next migration. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn migrate_mode() -> MigMode {
    with_bql("migrate_mode", |bql| match migration::parameters(bql).mode {
        migration::MigMode::Normal => MigMode::Normal,
        migration::MigMode::CprReboot => MigMode::CprReboot,
        migration::MigMode::CprTransfer => MigMode::CprTransfer,
        migration::MigMode::CprExec => MigMode::CprExec,
    })
}

/// The mode of a migration (QAPI's MigMode).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum MigMode {
    /// To another process, while the machine runs.
    Normal,
    /// To a file, while the host restarts.
    CprReboot,
    /// To another process on this host, which takes the memory over.
    CprTransfer,
    /// To a program that replaces this process by exec.
    CprExec,
}

/// How a machine announces itself on the network after it has arrived; times in milliseconds.
#[repr(C)]
#[derive(Debug)]
pub struct AnnounceParameters {
    /// Delay before the first announcement.
    pub initial: i64,
    /// Maximum delay between two.
    pub max: i64,
    /// Number of announcements.
    pub rounds: i64,
    /// Increase of the delay after each.
    pub step: i64,
}

/// Returns how a machine announces itself on the network after it has arrived. The result is a
/// copy, where QEMU returns the address of a static. Needs the lock.
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
