//! The outside face of migration: what QEMU has in `include/migration/misc.h` and
//! `blocker.h`, as functions that take a lock token.
//!
//! Here is the one global of the whole program. Code outside asks about the current
//! migration through these functions, and each works at any time: before there is a
//! migration object, while it migrates, after it was shut down while its thread still runs,
//! and when it is gone.
//!
//! ```
//! use migration::bql::{BqlGuard, BqlUnlocked};
//!
//! // QEMU: "call it with the BQL held" is a comment. Here it is the signature.
//! fn may_unplug(bql: &BqlGuard<'_>) -> bool {
//!     !migration::is_running(bql)
//! }
//!
//! let mut thread = BqlUnlocked::attach()?;
//! assert!(may_unplug(&thread.lock()), "there is no migration object yet");
//! # Ok::<(), migration::bql::AttachError>(())
//! ```
//!
//! # Caveats
//!
//! Nobody outside gets the object, nor a counted reference to it. What may be kept without
//! the lock is an [`Observer`]. There is one object in a process at a time: tests that make one
//! take turns.
//!
//! # Alternatives
//!
//! [`engine`], where every function is handed its object, for several machines in a process. From
//! C the crate `lastref-c-face`.
#![forbid(unsafe_code)]

mod blocker;
mod misc;

use std::sync::Arc;

pub use blocker::{
    add_blocker, add_blocker_internal, add_blocker_modes, add_blocker_normal, blocked_reasons,
    set_only_migratable,
};
pub use bql;
use bql::{Bql, BqlGuard, BqlGuarded, BqlUnlocked};
use engine::{MigrationState, Registrations};
use exported::{Exported, Publication};

pub use misc::{
    add_notifier, add_notifier_modes, announce_params, file_set_error, is_active, is_device,
    is_idle, is_running, is_setup_or_active, parameters, thread_is_self,
};

pub use engine::{
    AnnounceParameters, BlockError, Blocker, Course, Device, Direction, DirtyBitmap, DirtyLog,
    Endpoint, GuestMemory, Host, HostError, Life, LifeEvent, LifeEventKind, MigMode, MigModes,
    MigrationCapabilities, MigrationError, MigrationEvent, MigrationInfo, MigrationParameters,
    MigrationStatus, Notifier, Observer, PAGE_WORDS, ParameterError, Pass, RamBlock, RamSizeError,
    RestoreError, RunState, SettleError, Uri, UriError, Uuid, Vm, VmArrived, VmStopped, VmWaiting,
    ZeroPageDetection, error_chain,
};

/// The one global.
static CURRENT: Current =
    Current { object: Exported::new(), waiting: BqlGuarded::new(Registrations::new()) };

struct Current {
    object: Exported<MigrationState, Bql>,
    /// Notifiers and blockers of the time without an object. They go to the next object, and
    /// those whose owners still hold them come back when it is shut down.
    waiting: BqlGuarded<Registrations>,
}

/// The right to shut the migration object down. It stays on the thread that made it.
#[must_use = "bind it to a name: without it the migration object is never shut down"]
#[derive(Debug)]
pub struct MigrationObject(Publication<MigrationState, Bql>);

/// Why there is no migration object.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is one already.
    #[error("there is a migration object already")]
    Exists,
    /// It cannot be made.
    #[error(transparent)]
    Failed(#[from] MigrationError),
}

/// Makes the migration object of this machine and publishes it (`migration_object_init`).
///
/// From here on the machine belongs to the object, until the last count of it is gone: also after
/// [`shutdown`], while a thread of the migration still holds one. If the machine belongs to an
/// earlier object still, the new one can be asked, and refuses to migrate until that is gone.
///
/// # Errors
///
/// If there is one already, or the process has no file descriptor for it.
pub fn object_init(
    bql: &mut BqlGuard<'_>,
    host: impl Into<Arc<Host>>,
) -> Result<MigrationObject, InitError> {
    if CURRENT.object.get(bql).is_some() {
        return Err(InitError::Exists);
    }
    let state = MigrationState::new(host)?;
    // Who else has it is said when it is to be migrated.
    let _belongs_to_another = state.possess(bql);
    let waiting = std::mem::take(CURRENT.waiting.borrow_mut(bql));
    state.registrations_mut(bql).merge(waiting);
    state.note_published();
    let publication = CURRENT.object.publish(bql, state).map_err(|_| InitError::Exists)?;
    Ok(MigrationObject(publication))
}

/// A migration object that nobody outside can find any more.
///
/// If no thread holds another count, the object and its machine are destroyed where this is given
/// back. That may block, so use [`Retired::give_back`], which shows that the BQL is not held;
/// dropping this does the same wherever it happens.
#[must_use = "dropping it may destroy the migration object"]
#[derive(Debug)]
pub struct Retired {
    /// Until it is given back.
    state: Option<Arc<MigrationState>>,
}

impl Retired {
    /// Gives the owner's count back, without the BQL.
    pub fn give_back(self, _thread: &mut BqlUnlocked) {
        drop(self);
    }
}

impl Drop for Retired {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            state.give_back();
        }
    }
}

/// Takes the migration object away from the outside and cancels what it is doing
/// (`migration_shutdown`). It waits for nothing: a thread that still migrates holds its own
/// count, finds its waits ended, and cleans up.
pub fn shutdown(object: MigrationObject, bql: &mut BqlGuard<'_>) -> Retired {
    let state = object.0.retire(bql);
    state.note_retired();
    state.cancel(bql, Direction::Outgoing);
    state.cancel(bql, Direction::Incoming);
    let registrations = state.registrations(bql).clone();
    CURRENT.waiting.borrow_mut(bql).merge(registrations);
    Retired { state: Some(state) }
}

/// A count of the current object, for a command during which the BQL may be released.
fn counted(bql: &BqlGuard<'_>) -> Option<Arc<MigrationState>> {
    CURRENT.object.share(bql)
}

/// What may be watched without the BQL and for ever, if there is a migration object.
pub fn observer(bql: &BqlGuard<'_>, direction: Direction) -> Option<Observer> {
    CURRENT.object.get(bql).map(|state| state.observer(direction))
}

/// The record of the current object's life.
pub fn life(bql: &BqlGuard<'_>) -> Option<Life> {
    CURRENT.object.get(bql).map(|state| state.life().clone())
}

/// Sets the parameters (`qmp_migrate_set_parameters`).
///
/// # Errors
///
/// If there is no migration object.
pub fn set_parameters(
    bql: &BqlGuard<'_>,
    parameters: MigrationParameters,
) -> Result<(), CommandError> {
    let state = CURRENT.object.get(bql).ok_or(CommandError::NoObject)?;
    Ok(state.set_parameters(bql, parameters)?)
}

/// Registers with the current object, or with those who wait for one.
fn register<R>(bql: &mut BqlGuard<'_>, add: impl FnOnce(&mut Registrations) -> R) -> R {
    match counted(bql) {
        Some(state) => add(state.registrations_mut(bql)),
        None => add(CURRENT.waiting.borrow_mut(bql)),
    }
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The machine has no migration object, or none any more.
    #[error("there is no migration object")]
    NoObject,
    /// A migration runs, and the blocker comes too late.
    #[error("migration runs and cannot be blocked: {reason}")]
    Busy {
        /// The blocker's reason.
        reason: String,
    },
    /// A parameter is out of its range.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The machine has to stay migratable.
    #[error(transparent)]
    OnlyMigratable(#[from] BlockError),
    /// The engine refuses.
    #[error(transparent)]
    Refused(#[from] MigrationError),
}

/// Begins to migrate away and returns (`qmp_migrate`).
///
/// # Errors
///
/// If there is no migration object, a migration runs, or one is blocked.
pub fn migrate(bql: &mut BqlGuard<'_>, endpoint: Endpoint) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(engine::migrate(state, bql, endpoint)?)
}

/// Begins to wait for a migration to here and returns (`qmp_migrate_incoming`).
///
/// # Errors
///
/// If there is no migration object, or a migration runs.
pub fn migrate_incoming(bql: &mut BqlGuard<'_>, endpoint: Endpoint) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(engine::migrate_incoming(state, bql, endpoint)?)
}

/// Asks the migration that runs to stop, and returns (`qmp_migrate_cancel`). Without one it
/// does nothing.
pub fn cancel(bql: &mut BqlGuard<'_>, direction: Direction) {
    if let Some(state) = counted(bql) {
        state.cancel(bql, direction);
    }
}

/// Lets a migration go on that waits in `pre-switchover` (`qmp_migrate_continue`).
///
/// # Errors
///
/// If there is no migration object, or it is in another status.
pub fn migrate_continue(
    bql: &mut BqlGuard<'_>,
    status: MigrationStatus,
) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(state.continue_from(bql, status)?)
}

/// Lets the machine go on here that a migration left stopped (`qmp_cont`).
///
/// A migration leaves it stopped where the machine may run at the destination and nobody here can
/// know. Make sure first that it does not.
///
/// # Errors
///
/// If there is no migration object, if a migration runs or none left the machine stopped, or if the
/// machine cannot be let go on.
pub fn cont(bql: &mut BqlGuard<'_>) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(state.cont(bql)?)
}

/// Gives up the right to let the machine go on here ([`cont`]): it runs at the destination of the
/// migration that left it stopped, and has been seen there.
///
/// # Errors
///
/// If there is no migration object, if a migration runs or none from here left the machine stopped,
/// or if the machine's hook panics.
pub fn confirm_moved(bql: &mut BqlGuard<'_>) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(state.confirm_moved(bql)?)
}

/// The current capabilities; none without a migration object.
pub fn capabilities(bql: &BqlGuard<'_>) -> MigrationCapabilities {
    CURRENT.object.get(bql).map(MigrationState::capabilities).unwrap_or_default()
}

/// Sets the capabilities (`qmp_migrate_set_capabilities`).
///
/// # Errors
///
/// If there is no migration object, or a migration runs.
pub fn set_capabilities(
    bql: &BqlGuard<'_>,
    capabilities: MigrationCapabilities,
) -> Result<(), CommandError> {
    let state = CURRENT.object.get(bql).ok_or(CommandError::NoObject)?;
    Ok(state.set_capabilities(bql, capabilities)?)
}
