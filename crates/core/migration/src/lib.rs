//! The outside face of migration: what QEMU has in `include/migration/misc.h` and
//! `blocker.h`, as functions that take a lock token.
//!
//! This crate has the one global of the whole program. Code outside asks about the current
//! migration through these functions. Each works at any time: before there is a migration object,
//! while it migrates, after it was shut down while its thread still runs, and when it is gone.
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
//! Code outside gets neither the object nor a counted reference to it. To watch a migration
//! without the lock, it keeps an [`Observer`]. A process has one object at a time, so tests that
//! make one take turns.
//!
//! # Alternatives
//!
//! For several machines in a process use [`engine`], where every function takes its object as an
//! argument. From C use the crate `lastref-c-face`.
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
    /// Notifiers and blockers registered while there is no object. They move to the next object,
    /// and those whose owners still hold them move back when it is shut down.
    waiting: BqlGuarded<Registrations>,
}

/// The right to shut the migration object down. It stays on the thread that made it.
#[must_use = "bind it to a name: without it the migration object is never shut down"]
#[derive(Debug)]
pub struct MigrationObject(Publication<MigrationState, Bql>);

/// An error of [`object_init`].
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A migration object exists already.
    #[error("there is a migration object already")]
    Exists,
    /// The object cannot be made.
    #[error(transparent)]
    Failed(#[from] MigrationError),
}

/// Makes the migration object of this machine and publishes it (`migration_object_init`).
///
/// From here on the machine belongs to the object until its last count is dropped. A thread of the
/// migration may hold that count after [`shutdown`]. If the machine still belongs to an earlier
/// object, the new one answers queries and refuses to migrate until the earlier one is gone.
///
/// # Errors
///
/// If there is a migration object already, or the process has no file descriptor left for it.
pub fn object_init(
    bql: &mut BqlGuard<'_>,
    host: impl Into<Arc<Host>>,
) -> Result<MigrationObject, InitError> {
    if CURRENT.object.get(bql).is_some() {
        return Err(InitError::Exists);
    }
    let state = MigrationState::new(host)?;
    // If an earlier object still has the machine, `migrate` reports it.
    let _belongs_to_another = state.possess(bql);
    let waiting = std::mem::take(CURRENT.waiting.borrow_mut(bql));
    state.registrations_mut(bql).merge(waiting);
    state.note_published();
    let publication = CURRENT.object.publish(bql, state).map_err(|_| InitError::Exists)?;
    Ok(MigrationObject(publication))
}

/// A migration object that code outside can no longer find.
///
/// If no thread holds another count, dropping this destroys the object and its machine. That may
/// block, so call [`Retired::give_back`], whose token proves that the BQL is not held. A plain drop
/// does the same wherever it happens.
#[must_use = "dropping it may destroy the migration object"]
#[derive(Debug)]
pub struct Retired {
    /// `None` once it is given back.
    state: Option<Arc<MigrationState>>,
}

impl Retired {
    /// Gives the owner's count back, without the BQL held.
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

/// Retires the migration object and cancels its migrations (`migration_shutdown`).
///
/// It does not wait: a thread that still migrates holds its own count, finds its waits ended, and
/// cleans up.
pub fn shutdown(object: MigrationObject, bql: &mut BqlGuard<'_>) -> Retired {
    let state = object.0.retire(bql);
    state.note_retired();
    state.cancel(bql, Direction::Outgoing);
    state.cancel(bql, Direction::Incoming);
    let registrations = state.registrations(bql).clone();
    CURRENT.waiting.borrow_mut(bql).merge(registrations);
    Retired { state: Some(state) }
}

/// Takes a count of the current object, for a command during which the BQL may be released.
fn counted(bql: &BqlGuard<'_>) -> Option<Arc<MigrationState>> {
    CURRENT.object.share(bql)
}

/// Returns an observer of the current object, if there is one. It needs no BQL and may be kept
/// for any time.
pub fn observer(bql: &BqlGuard<'_>, direction: Direction) -> Option<Observer> {
    CURRENT.object.get(bql).map(|state| state.observer(direction))
}

/// Returns the record of the current object's life.
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

/// Registers with the current object, or for the next one if there is none.
fn register<R>(bql: &mut BqlGuard<'_>, add: impl FnOnce(&mut Registrations) -> R) -> R {
    match counted(bql) {
        Some(state) => add(state.registrations_mut(bql)),
        None => add(CURRENT.waiting.borrow_mut(bql)),
    }
}

/// An error that says why a command was refused.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The machine has no migration object, or no longer has one.
    #[error("there is no migration object")]
    NoObject,
    /// A migration already runs, so it is too late to block it.
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

/// Starts an outgoing migration and returns (`qmp_migrate`).
///
/// # Errors
///
/// If there is no migration object, a migration runs, or one is blocked.
pub fn migrate(bql: &mut BqlGuard<'_>, endpoint: Endpoint) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(engine::migrate(state, bql, endpoint)?)
}

/// Starts to wait for an incoming migration and returns (`qmp_migrate_incoming`).
///
/// # Errors
///
/// If there is no migration object, or a migration runs.
pub fn migrate_incoming(bql: &mut BqlGuard<'_>, endpoint: Endpoint) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(engine::migrate_incoming(state, bql, endpoint)?)
}

/// Asks the running migration to stop, and returns (`qmp_migrate_cancel`). Does nothing if none
/// runs.
pub fn cancel(bql: &mut BqlGuard<'_>, direction: Direction) {
    if let Some(state) = counted(bql) {
        state.cancel(bql, direction);
    }
}

/// Resumes a migration that waits in `pre-switchover` (`qmp_migrate_continue`).
///
/// # Errors
///
/// If there is no migration object, or the migration is in another status.
pub fn migrate_continue(
    bql: &mut BqlGuard<'_>,
    status: MigrationStatus,
) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(state.continue_from(bql, status)?)
}

/// Resumes a machine here that a migration left stopped (`qmp_cont`).
///
/// A migration leaves the machine stopped if it may run at the destination and the source cannot
/// know. Make sure first that it does not run there.
///
/// # Errors
///
/// If there is no migration object, if a migration runs or none left the machine stopped, or if the
/// machine cannot be resumed.
pub fn cont(bql: &mut BqlGuard<'_>) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(state.cont(bql)?)
}

/// Gives up the right to resume the machine here ([`cont`]), because it was seen to run at the
/// destination of the migration that left it stopped.
///
/// # Errors
///
/// If there is no migration object, if a migration runs or none from here left the machine stopped,
/// or if the machine's hook panics.
pub fn confirm_moved(bql: &mut BqlGuard<'_>) -> Result<(), CommandError> {
    let state = counted(bql).ok_or(CommandError::NoObject)?;
    Ok(state.confirm_moved(bql)?)
}

/// Returns the current capabilities; none without a migration object.
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
