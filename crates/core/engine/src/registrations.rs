//! Notifiers, which are called during a migration, and blockers, which forbid one.
//!
//! A registration lives as long as the handle that its owner got: the registry keeps a weak
//! reference. So a handle can be dropped at any time, also after the migration object is gone, and
//! needs no list to remove itself from.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use bql::BqlGuard;

use crate::parameters::{MigMode, MigModes};

/// An event of a migration (`MigrationEventType` of `include/migration/misc.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationEvent {
    /// The migration begins; an error from the notifier fails it.
    PrecopySetup,
    /// The machine has moved.
    PrecopyDone,
    /// The migration failed or was cancelled. The machine runs where it was, or is stopped here
    /// because it may run at the destination.
    PrecopyFailed,
}

type Notify = dyn Fn(&mut BqlGuard<'_>, MigrationEvent) -> Result<(), String> + Send + Sync;

/// A registered notifier (`migration_add_notifier`). Dropping it removes it.
#[must_use = "bind it to a name: dropped, as by `let _ = …`, it removes the notifier at once"]
pub struct Notifier {
    /// Keeps the registry's weak reference alive.
    _notify: Arc<Notify>,
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}

/// A reason not to migrate (`migrate_add_blocker`). Dropping it removes it.
#[derive(Debug)]
#[must_use = "bind it to a name: dropped, as by `let _ = …`, it removes the blocker at once"]
pub struct Blocker(Arc<str>);

impl Blocker {
    /// Returns the reason.
    pub fn reason(&self) -> &str {
        &self.0
    }
}

/// The notifiers and blockers of one migration object, or those registered before there is one.
#[derive(Default, Clone)]
pub struct Registrations {
    notifiers: Vec<(MigModes, Weak<Notify>)>,
    blockers: Vec<(MigModes, Weak<str>)>,
    only_migratable: bool,
}

/// A blocker that was rejected, because the machine must stay migratable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this machine must stay migratable: {reason}")]
pub struct BlockError {
    reason: String,
}

impl Registrations {
    /// Makes an empty set of registrations.
    pub const fn new() -> Self {
        Registrations { notifiers: Vec::new(), blockers: Vec::new(), only_migratable: false }
    }

    /// Sets whether the machine must stay migratable (`-only-migratable`).
    pub fn set_only_migratable(&mut self, only_migratable: bool) {
        self.only_migratable = only_migratable;
    }

    /// Registers a notifier for migrations of mode `normal`.
    pub fn add_notifier(
        &mut self,
        notify: impl Fn(&mut BqlGuard<'_>, MigrationEvent) -> Result<(), String> + Send + Sync + 'static,
    ) -> Notifier {
        self.add_notifier_modes(MigMode::Normal.into(), notify)
    }

    /// Registers a notifier for migrations of some modes. It is called with the BQL held. It may
    /// release the lock, call every function of the outside crate, and add or drop notifiers.
    pub fn add_notifier_modes(
        &mut self,
        modes: MigModes,
        notify: impl Fn(&mut BqlGuard<'_>, MigrationEvent) -> Result<(), String> + Send + Sync + 'static,
    ) -> Notifier {
        let notify: Arc<Notify> = Arc::new(notify);
        self.notifiers.retain(|(_, notifier)| notifier.strong_count() != 0);
        self.notifiers.push((modes, Arc::downgrade(&notify)));
        Notifier { _notify: notify }
    }

    /// Registers a reason not to migrate in any mode, also for a machine that must stay migratable
    /// (`migrate_add_blocker_internal`).
    pub fn add_blocker(&mut self, reason: &str) -> Blocker {
        self.block(MigModes::ALL, reason)
    }

    /// Registers a reason not to migrate in some modes.
    ///
    /// # Errors
    ///
    /// If the machine must stay migratable, and `normal` is among the modes.
    pub fn add_blocker_modes(
        &mut self,
        modes: MigModes,
        reason: &str,
    ) -> Result<Blocker, BlockError> {
        if self.only_migratable && modes.contains(MigMode::Normal) {
            return Err(BlockError { reason: reason.to_owned() });
        }
        Ok(self.block(modes, reason))
    }

    fn block(&mut self, modes: MigModes, reason: &str) -> Blocker {
        let reason: Arc<str> = reason.into();
        self.blockers.retain(|(_, blocker)| blocker.strong_count() != 0);
        self.blockers.push((modes, Arc::downgrade(&reason)));
        Blocker(reason)
    }

    /// Returns the reasons not to migrate in `mode`.
    pub fn blockers(&self, mode: MigMode) -> Vec<String> {
        let of_mode = self.blockers.iter().filter(|(modes, _)| modes.contains(mode));
        of_mode.filter_map(|(_, reason)| Some(reason.upgrade()?.to_string())).collect()
    }

    /// Adds the registrations of `other`.
    pub fn merge(&mut self, other: Registrations) {
        self.notifiers.extend(other.notifiers);
        self.blockers.extend(other.blockers);
        self.only_migratable |= other.only_migratable;
    }

    /// Returns the notifiers that are registered for `mode` now. One that is dropped before the
    /// call is not called.
    pub(crate) fn notifiers(&self, mode: MigMode) -> Notifiers {
        let of_mode = self.notifiers.iter().filter(|(modes, _)| modes.contains(mode));
        Notifiers(of_mode.map(|(_, notifier)| Weak::clone(notifier)).collect())
    }
}

impl fmt::Debug for Registrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrations")
            .field("notifiers", &self.notifiers.len())
            .field("blockers", &self.blockers.len())
            .finish()
    }
}

/// The notifiers of one event. It does not borrow the registrations, so a notifier may release the
/// BQL.
pub(crate) struct Notifiers(Vec<Weak<Notify>>);

impl Notifiers {
    /// Calls the notifiers in the order in which they were added. At setup the first refusal ends
    /// the calls; at other events a refusal has no effect, and all are called. A panic counts as a
    /// refusal.
    pub(crate) fn call(
        self,
        guard: &mut BqlGuard<'_>,
        event: MigrationEvent,
    ) -> Result<(), String> {
        for notifier in self.0 {
            let Some(notify) = notifier.upgrade() else {
                continue;
            };
            let answer = catch_unwind(AssertUnwindSafe(|| notify(guard, event)))
                .unwrap_or_else(|panic| Err(format!("a notifier panicked: {}", words(panic))));
            if event == MigrationEvent::PrecopySetup {
                answer?;
            }
        }
        Ok(())
    }
}

/// Returns the message of a panic.
pub(crate) fn words(panic: Box<dyn std::any::Any + Send>) -> String {
    let said = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    // The payload of a panic may panic again when it is dropped, and nothing would catch that.
    std::mem::forget(panic);
    said.unwrap_or_default()
}
