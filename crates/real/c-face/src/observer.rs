//! Observers, which C may keep and query without the lock: status, counters and first error.

use std::ffi::{CStr, c_char, c_uint};
use std::ptr;
use std::time::Duration;

use crate::boundary::{die, entry};
use crate::error::Error;
use crate::lock::{with_bql, without_bql};

/// A counted view of one direction of a migration object. Several threads may use it at once, and
/// it stays valid: after shutdown it shows the last status.
#[derive(Debug)]
pub struct Observer(migration::Observer);

/// The direction of a migration.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum Direction {
    /// The machine moves away from here.
    Outgoing,
    /// The machine moves to here.
    Incoming,
}

/// The supported values of QAPI's MigrationStatus.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub enum MigrationStatus {
    /// No migration was requested yet, or there is no migration object.
    None,
    /// The migration connects or sets up.
    Setup,
    /// The migration was cancelled and still cleans up.
    Cancelling,
    /// The migration was cancelled; the machine stays here.
    Cancelled,
    /// Memory is being sent.
    Active,
    /// The machine is stopped and waits for its user to continue.
    PreSwitchover,
    /// The machine is stopped and its devices are being sent.
    Device,
    /// The migration is done.
    Completed,
    /// The migration failed; the machine stays where it was. If it may run at the destination, it
    /// stays stopped here (lastref_cont).
    Failed,
}

impl From<migration::MigrationStatus> for MigrationStatus {
    fn from(status: migration::MigrationStatus) -> Self {
        match status {
            migration::MigrationStatus::None => MigrationStatus::None,
            migration::MigrationStatus::Setup => MigrationStatus::Setup,
            migration::MigrationStatus::Cancelling => MigrationStatus::Cancelling,
            migration::MigrationStatus::Cancelled => MigrationStatus::Cancelled,
            migration::MigrationStatus::Active => MigrationStatus::Active,
            migration::MigrationStatus::PreSwitchover => MigrationStatus::PreSwitchover,
            migration::MigrationStatus::Device => MigrationStatus::Device,
            migration::MigrationStatus::Completed => MigrationStatus::Completed,
            migration::MigrationStatus::Failed => MigrationStatus::Failed,
        }
    }
}

/// Some counters of QAPI's MigrationStats; the time in milliseconds.
#[repr(C)]
#[derive(Debug)]
pub struct MigrationInfo {
    /// Bytes of guest RAM.
    pub total: u64,
    /// Bytes of the stream so far.
    pub transferred: u64,
    /// Bytes of guest RAM that remain to be sent.
    pub remaining: u64,
    /// Pages sent with their data.
    pub normal: u64,
    /// Pages sent as zero pages.
    pub duplicate: u64,
    /// Duration of the migration, up to now while it runs.
    pub total_time: u64,
}

fn observer(function: &str, bql: &bql::BqlGuard<'_>, way: c_uint) -> Option<migration::Observer> {
    const OUTGOING: c_uint = Direction::Outgoing as c_uint;
    const INCOMING: c_uint = Direction::Incoming as c_uint;
    let way = match way {
        OUTGOING => migration::Direction::Outgoing,
        INCOMING => migration::Direction::Incoming,
        _ => die(function, "there is no such direction"),
    };
    migration::observer(bql, way)
}

/// Borrows an observer of C, and aborts the process if it is null.
///
/// # Safety
///
/// It is null or an observer that its owner does not free during 'a.
unsafe fn watched<'a>(function: &str, observer: *const Observer) -> &'a migration::Observer {
    // SAFETY: the caller's promise.
    match unsafe { observer.as_ref() } {
        Some(observer) => &observer.0,
        None => die(function, "the observer is NULL"),
    }
}

/// Returns the current status of one direction (an enum LastrefDirection); NONE without a migration
/// object. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn lastref_status(direction: c_uint) -> MigrationStatus {
    with_bql("lastref_status", |bql| {
        observer("lastref_status", bql, direction)
            .map_or(MigrationStatus::None, |observer| observer.status().into())
    })
}

/// Returns QAPI's name of a status, a text that is never freed; NULL if `status` is not a status.
#[unsafe(no_mangle)]
pub extern "C" fn lastref_status_name(status: c_uint) -> *const c_char {
    const NAMES: [&CStr; 9] = [
        c"none",
        c"setup",
        c"cancelling",
        c"cancelled",
        c"active",
        c"pre-switchover",
        c"device",
        c"completed",
        c"failed",
    ];
    entry("lastref_status_name", || {
        NAMES.get(status as usize).map_or(ptr::null(), |name| name.as_ptr())
    })
}

/// Makes an observer of one direction (an enum LastrefDirection); returns NULL without a migration
/// object. Free it with `lastref_observer_free`. Needs the lock.
#[unsafe(no_mangle)]
pub extern "C" fn lastref_observer_new(direction: c_uint) -> *mut Observer {
    with_bql("lastref_observer_new", |bql| {
        observer("lastref_observer_new", bql, direction)
            .map_or(ptr::null_mut(), |observer| Box::into_raw(Box::new(Observer(observer))))
    })
}

/// Returns the current status. It works at any time, with the lock or without it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_observer_status(observer: *const Observer) -> MigrationStatus {
    const FUNCTION: &str = "lastref_observer_status";
    // SAFETY: as the header says.
    entry(FUNCTION, || unsafe { watched(FUNCTION, observer) }.status().into())
}

/// Returns the current counters. It works at any time, with the lock or without it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_observer_info(observer: *const Observer) -> MigrationInfo {
    const FUNCTION: &str = "lastref_observer_info";
    entry(FUNCTION, || {
        // SAFETY: as the header says.
        let info = unsafe { watched(FUNCTION, observer) }.info();
        MigrationInfo {
            total: info.total,
            transferred: info.transferred,
            remaining: info.remaining,
            normal: info.normal,
            duplicate: info.duplicate,
            total_time: u64::try_from(info.total_time.as_millis()).unwrap_or(u64::MAX),
        }
    })
}

/// Returns the first error of the last migration, or NULL; free it with `lastref_error_free`. It
/// works at any time, with the lock or without it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_observer_error(observer: *const Observer) -> *mut Error {
    const FUNCTION: &str = "lastref_observer_error";
    entry(FUNCTION, || {
        // SAFETY: as the header says.
        let error = unsafe { watched(FUNCTION, observer) }.error();
        error.map_or(ptr::null_mut(), |error| Error::of_text(&migration::error_chain(&*error)))
    })
}

/// Waits until the migration has ended, or `limit_ms` milliseconds have passed, and returns the
/// status. It blocks: the lock must not be held, and a notifier cannot call it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_observer_wait(
    observer: *const Observer,
    limit_ms: u64,
) -> MigrationStatus {
    const FUNCTION: &str = "lastref_observer_wait";
    without_bql(FUNCTION, |thread| {
        // SAFETY: as the header says.
        let observer = unsafe { watched(FUNCTION, observer) };
        let over = |status: migration::MigrationStatus, _: &_| status.is_terminal();
        observer.wait(thread, Duration::from_millis(limit_ms), over).into()
    })
}

/// Frees an observer; does nothing with NULL. It works at any time, with the lock or without it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lastref_observer_free(observer: *mut Observer) {
    entry("lastref_observer_free", || {
        if !observer.is_null() {
            // SAFETY: it came from `lastref_observer_new`, and the caller gives it up.
            drop(unsafe { Box::from_raw(observer) });
        }
    });
}

#[cfg(test)]
mod tests {
    use std::ffi::c_uint;

    use super::{MigrationStatus, lastref_status_name};

    #[test]
    fn the_names_of_the_statuses_are_those_of_the_engine() {
        use migration::MigrationStatus::{
            Active, Cancelled, Cancelling, Completed, Device, Failed, None, PreSwitchover, Setup,
        };
        for status in
            [None, Setup, Cancelling, Cancelled, Active, PreSwitchover, Device, Completed, Failed]
        {
            let name = lastref_status_name(MigrationStatus::from(status) as c_uint);
            // SAFETY: a name of a status is a static text.
            let name = unsafe { std::ffi::CStr::from_ptr(name) };
            assert_eq!(name.to_str(), Ok(status.name()));
        }
        assert!(lastref_status_name(9).is_null());
    }
}
