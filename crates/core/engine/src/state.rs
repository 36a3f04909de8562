//! The migration object: QEMU's `MigrationState` and `MigrationIncomingState`, as one.
//!
//! Its owner makes it and passes it to every function that works on a migration, as the first
//! argument. Code in this crate can reach it in no other way.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use bql::{BqlGuard, BqlGuarded};

use crate::error::MigrationError;
use crate::fate::Fate;
use crate::host::{Host, Owner, Possession};
use crate::life::{LastPart, Life, LifeEventKind};
use crate::parameters::{MigrationCapabilities, MigrationParameters, Options, ParameterError};
use crate::progress::{Observer, Progress};
use crate::registrations::Registrations;
use crate::status::{Direction, MigrationStatus};
use crate::transport::{Asked, Event, StopReason, StopRequest};

/// A machine's migration, to or from this process.
///
/// Code that outlives a call owns a count (`Arc<MigrationState>`); all other code borrows the
/// object.
#[derive(Debug)]
pub struct MigrationState {
    pub(crate) host: Arc<Host>,
    /// Possession of the machine, once it belongs to this object.
    possession: BqlGuarded<Option<Possession>>,
    options: Options,
    pub(crate) outgoing: Side,
    pub(crate) incoming: Side,
    /// Ends the wait in `pre-switchover`.
    pub(crate) continued: Event,
    registrations: BqlGuarded<Registrations>,
    /// The last field, so that the machine and its files are dropped before it records the end.
    life: LastPart,
}

/// The state that exists once for each direction.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) progress: Arc<Progress>,
    pub(crate) stop: StopRequest,
    pub(crate) fate: Fate,
    /// The thread that works on the migration, while there is one. The mutex is held only to read
    /// or set it.
    thread: Mutex<Option<ThreadId>>,
}

impl Side {
    fn new(direction: Direction) -> io::Result<Self> {
        Ok(Side {
            progress: Arc::new(Progress::new(direction)),
            stop: StopRequest::new()?,
            fate: Fate::default(),
            thread: Mutex::new(None),
        })
    }

    pub(crate) fn set_thread(&self, thread: Option<ThreadId>) {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = thread;
    }
}

impl MigrationState {
    /// Makes an independent object for a machine: making, using and dropping it does not affect
    /// other objects.
    ///
    /// # Errors
    ///
    /// If the process cannot open another file descriptor.
    pub fn new(host: impl Into<Arc<Host>>) -> Result<Arc<Self>, MigrationError> {
        let no_descriptor = |source| MigrationError::Resources { what: "event descriptor", source };
        let side = |direction| Side::new(direction).map_err(no_descriptor);
        let life = LastPart::default();
        life.0.record(LifeEventKind::Created);
        Ok(Arc::new(MigrationState {
            host: host.into(),
            possession: BqlGuarded::default(),
            options: Options::default(),
            outgoing: side(Direction::Outgoing)?,
            incoming: side(Direction::Incoming)?,
            continued: Event::new().map_err(no_descriptor)?,
            registrations: BqlGuarded::new(Registrations::new()),
            life,
        }))
    }

    /// Makes the machine belong to this object until the last count of the object is gone. No other
    /// object can migrate the machine meanwhile.
    ///
    /// # Errors
    ///
    /// If it belongs to another object, which the error describes.
    pub fn possess(&self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        if self.possession.borrow(bql).is_some() {
            return Ok(());
        }
        let possession = self.host.possess(Owner {
            outgoing: self.observer(Direction::Outgoing),
            incoming: self.observer(Direction::Incoming),
            life: self.life.0.clone(),
        })?;
        *self.possession.borrow_mut(bql) = Some(possession);
        Ok(())
    }

    /// Takes a count for code that outlives the call, and records it.
    pub fn counted(self: &Arc<Self>) -> Arc<Self> {
        self.life.0.record(LifeEventKind::Counted);
        Arc::clone(self)
    }

    /// Takes a count for a thread named `holder` that does not run yet, and records it.
    pub(crate) fn counted_for(self: &Arc<Self>, holder: &str) -> Arc<Self> {
        self.life.0.record_for(LifeEventKind::Counted, holder);
        Arc::clone(self)
    }

    /// Gives a count back, and records it. If it is the last count, this drops the object.
    pub fn give_back(self: Arc<Self>) {
        self.life.0.record(LifeEventKind::GivenBack);
    }

    /// Records that the one global now publishes this object.
    pub fn note_published(&self) {
        self.life.0.record(LifeEventKind::Published);
    }

    /// Records that the one global no longer publishes this object.
    pub fn note_retired(&self) {
        self.life.0.record(LifeEventKind::Retired);
    }

    /// Returns the record of this object's life, which stays readable after the object is gone.
    pub fn life(&self) -> &Life {
        &self.life.0
    }

    #[inline]
    pub(crate) fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Outgoing => &self.outgoing,
            Direction::Incoming => &self.incoming,
        }
    }

    /// Returns an observer, which needs no BQL.
    pub fn observer(&self, direction: Direction) -> Observer {
        Observer::new(&self.side(direction).progress)
    }

    /// Returns the current status.
    #[inline]
    pub fn status(&self, direction: Direction) -> MigrationStatus {
        self.side(direction).progress.status()
    }

    /// Returns whether the calling thread is the one that migrates (`migration_thread_is_self`).
    pub fn thread_is_self(&self) -> bool {
        let thread = self.outgoing.thread.lock();
        *thread.unwrap_or_else(PoisonError::into_inner) == Some(thread::current().id())
    }

    /// Returns the current parameters.
    pub fn parameters(&self) -> MigrationParameters {
        self.options.parameters()
    }

    /// Sets the parameters, also for a running migration.
    ///
    /// # Errors
    ///
    /// If one is out of its range. No parameter is changed then.
    pub fn set_parameters(
        &self,
        _bql: &BqlGuard<'_>,
        parameters: MigrationParameters,
    ) -> Result<(), ParameterError> {
        parameters.check()?;
        self.options.set_parameters(parameters);
        Ok(())
    }

    /// Returns the current capabilities.
    pub fn capabilities(&self) -> MigrationCapabilities {
        self.options.capabilities()
    }

    /// Sets the capabilities.
    ///
    /// # Errors
    ///
    /// If a migration runs.
    pub fn set_capabilities(
        &self,
        _bql: &BqlGuard<'_>,
        capabilities: MigrationCapabilities,
    ) -> Result<(), MigrationError> {
        self.check_idle()?;
        self.options.set_capabilities(capabilities);
        Ok(())
    }

    /// Checks that no migration runs.
    ///
    /// # Errors
    ///
    /// If a migration runs, in either direction.
    pub(crate) fn check_idle(&self) -> Result<(), MigrationError> {
        for direction in [Direction::Outgoing, Direction::Incoming] {
            let status = self.status(direction);
            if status.is_running() {
                return Err(MigrationError::Busy { status: status.name() });
            }
        }
        Ok(())
    }

    /// Borrows the notifiers and blockers of this object.
    pub fn registrations<'g>(&'g self, bql: &'g BqlGuard<'_>) -> &'g Registrations {
        self.registrations.borrow(bql)
    }

    /// Borrows the notifiers and blockers of this object mutably.
    pub fn registrations_mut<'g>(&'g self, bql: &'g mut BqlGuard<'_>) -> &'g mut Registrations {
        self.registrations.borrow_mut(bql)
    }

    /// Asks a migration to stop (`migration_cancel`), and does not wait: every wait of the
    /// migration thread ends at once, and the thread cleans up.
    ///
    /// After the point of no return a cancel is too late to stop the migration. It then limits the
    /// wait for a destination that does not answer to two seconds, and the machine stays stopped
    /// here.
    pub fn cancel(&self, _bql: &mut BqlGuard<'_>, direction: Direction) {
        let side = self.side(direction);
        if side.progress.status().is_running()
            && side.stop.request(StopReason::Cancel) != Asked::Again
        {
            side.progress.set_cancelling();
        }
    }

    /// Fails an outgoing migration with `reason`, the message of a device that cannot continue
    /// (`migration_file_set_error`).
    ///
    /// # Errors
    ///
    /// Returns the reason if there is no migration to fail: none runs, it was cancelled or has
    /// ended, or the machine may be at the destination.
    pub fn fail(&self, _bql: &mut BqlGuard<'_>, reason: String) -> Result<(), String> {
        let Side { progress, stop, .. } = &self.outgoing;
        if !progress.status().is_running() {
            return Err(reason);
        }
        let device = || progress.set_error(MigrationError::Device { reason: reason.clone() });
        match stop.request_after(StopReason::Fail, device) {
            Asked::First => Ok(()),
            // Another device was first, and its reason is kept.
            Asked::Again if !stop.is_cancelled() => Ok(()),
            Asked::Again | Asked::TooLate => Err(reason),
        }
    }

    /// Resumes a machine here that a migration left stopped (`qmp_cont`).
    ///
    /// A migration leaves the machine stopped if it may run at the destination and the source
    /// cannot know, or if the hook that was to resume it panicked. Make sure first that the machine
    /// does not run there.
    ///
    /// # Errors
    ///
    /// If a migration runs, if none left the machine stopped, or if the hook panics again.
    pub fn cont(&self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        self.check_idle()?;
        self.host.check_kept()?;
        self.possess(bql)?;
        self.host.resume_kept(bql)
    }

    /// Gives up the right to resume the machine here, because it runs at the destination of the
    /// migration that left it stopped. The machine is then in `postmigrate`, as after a completed
    /// migration; the migration's own status does not change.
    ///
    /// # Errors
    ///
    /// If a migration runs, if none from here left the machine stopped, or if its hook panics.
    /// After a panic the right is gone all the same.
    pub fn confirm_moved(&self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        self.check_idle()?;
        self.host.check_kept()?;
        self.possess(bql)?;
        self.host.give_up(bql)
    }

    /// Continues a migration that waits in `pre-switchover` (`qmp_migrate_continue`).
    ///
    /// # Errors
    ///
    /// If the migration is in another status.
    pub fn continue_from(
        &self,
        _bql: &mut BqlGuard<'_>,
        status: MigrationStatus,
    ) -> Result<(), MigrationError> {
        let is = self.status(Direction::Outgoing);
        if is != status || status != MigrationStatus::PreSwitchover {
            return Err(MigrationError::NotPaused { status: is.name() });
        }
        self.continued.signal();
        Ok(())
    }
}
