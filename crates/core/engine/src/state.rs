//! The migration object: QEMU's `MigrationState` and `MigrationIncomingState`, as one.
//!
//! It is made by its owner and handed to every function that works on a migration as the
//! first argument. Nothing in this crate can find it in any other way.

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

/// A machine's migration, to or from here.
///
/// Who outlives a call owns a count (`Arc<MigrationState>`); everybody else borrows it.
#[derive(Debug)]
pub struct MigrationState {
    pub(crate) host: Arc<Host>,
    /// Of the machine, once it belongs to this object.
    possession: BqlGuarded<Option<Possession>>,
    options: Options,
    pub(crate) outgoing: Side,
    pub(crate) incoming: Side,
    /// Ends the wait in `pre-switchover`.
    pub(crate) go_on: Event,
    registrations: BqlGuarded<Registrations>,
    /// Last, so that the machine and its files are gone when it says so.
    life: LastPart,
}

/// What outgoing and incoming migrations have in common.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) progress: Arc<Progress>,
    pub(crate) stop: StopRequest,
    pub(crate) fate: Fate,
    /// The thread that works on it, while one does. Never held over anything.
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
    /// Makes an object of its own for a machine: making, using and dropping it changes nothing
    /// for another object.
    ///
    /// # Errors
    ///
    /// If the process has no file descriptor left.
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
            go_on: Event::new().map_err(no_descriptor)?,
            registrations: BqlGuarded::new(Registrations::new()),
            life,
        }))
    }

    /// Makes the machine belong to this object until the last count of it is gone. No other object
    /// can migrate it meanwhile.
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

    /// A count for somebody who outlives the call, and noted as such.
    pub fn counted(self: &Arc<Self>) -> Arc<Self> {
        self.life.0.record(LifeEventKind::Counted);
        Arc::clone(self)
    }

    /// The same for a thread that is called `holder` and does not run yet.
    pub(crate) fn counted_for(self: &Arc<Self>, holder: &str) -> Arc<Self> {
        self.life.0.record_for(LifeEventKind::Counted, holder);
        Arc::clone(self)
    }

    /// Gives a count back, and notes it. If it is the last one, the object ends here.
    pub fn give_back(self: Arc<Self>) {
        self.life.0.record(LifeEventKind::GivenBack);
    }

    /// Notes that the one global shows this object from here on.
    pub fn note_published(&self) {
        self.life.0.record(LifeEventKind::Published);
    }

    /// Notes that the one global does not show this object any more.
    pub fn note_retired(&self) {
        self.life.0.record(LifeEventKind::Retired);
    }

    /// The record of this object's life. It can be read when the object is gone.
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

    /// What may be watched without the BQL.
    pub fn observer(&self, direction: Direction) -> Observer {
        Observer::new(&self.side(direction).progress)
    }

    /// The status now.
    #[inline]
    pub fn status(&self, direction: Direction) -> MigrationStatus {
        self.side(direction).progress.status()
    }

    /// Whether the calling thread is the one that migrates (`migration_thread_is_self`).
    pub fn thread_is_self(&self) -> bool {
        let thread = self.outgoing.thread.lock();
        *thread.unwrap_or_else(PoisonError::into_inner) == Some(thread::current().id())
    }

    /// The parameters now.
    pub fn parameters(&self) -> MigrationParameters {
        self.options.parameters()
    }

    /// Sets the parameters, also of a migration that runs.
    ///
    /// # Errors
    ///
    /// If one is out of its range; none is set then.
    pub fn set_parameters(
        &self,
        _bql: &BqlGuard<'_>,
        parameters: MigrationParameters,
    ) -> Result<(), ParameterError> {
        parameters.check()?;
        self.options.set_parameters(parameters);
        Ok(())
    }

    /// The capabilities now.
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

    /// # Errors
    ///
    /// If a migration runs, either way.
    pub(crate) fn check_idle(&self) -> Result<(), MigrationError> {
        for direction in [Direction::Outgoing, Direction::Incoming] {
            let status = self.status(direction);
            if status.is_running() {
                return Err(MigrationError::Busy { status: status.name() });
            }
        }
        Ok(())
    }

    /// Who is told of this object's migrations and who forbids them.
    pub fn registrations<'g>(&'g self, bql: &'g BqlGuard<'_>) -> &'g Registrations {
        self.registrations.borrow(bql)
    }

    /// The same, to change.
    pub fn registrations_mut<'g>(&'g self, bql: &'g mut BqlGuard<'_>) -> &'g mut Registrations {
        self.registrations.borrow_mut(bql)
    }

    /// Asks a migration to stop (`migration_cancel`). It does not wait: every wait of the
    /// migration thread ends at once, and the thread cleans up.
    ///
    /// After the point of no return it comes too late. It then ends the wait for a destination that
    /// does not answer, after two seconds, and the machine stays stopped here.
    pub fn cancel(&self, _bql: &mut BqlGuard<'_>, direction: Direction) {
        let side = self.side(direction);
        if side.progress.status().is_running()
            && side.stop.request(StopReason::Cancel) != Asked::Again
        {
            side.progress.set_cancelling();
        }
    }

    /// Lets an outgoing migration fail with `reason`, the word of a device that cannot go on
    /// (`migration_file_set_error`).
    ///
    /// # Errors
    ///
    /// The reason comes back if there is no migration to fail: none runs, it was cancelled or has
    /// come to its end, or the machine may be at the destination.
    pub fn fail(&self, _bql: &mut BqlGuard<'_>, reason: String) -> Result<(), String> {
        let Side { progress, stop, .. } = &self.outgoing;
        if !progress.status().is_running() {
            return Err(reason);
        }
        let device = || progress.set_error(MigrationError::Device { reason: reason.clone() });
        match stop.request_after(StopReason::Fail, device) {
            Asked::First => Ok(()),
            // Another device was first, and what it said is kept.
            Asked::Again if !stop.is_cancelled() => Ok(()),
            Asked::Again | Asked::TooLate => Err(reason),
        }
    }

    /// Lets the machine go on here that a migration left stopped (`qmp_cont`).
    ///
    /// A migration does so where the machine may run at the destination and nobody can know, and
    /// where a hook panicked that was to let it go on. Make sure first that it does not run there.
    ///
    /// # Errors
    ///
    /// If a migration runs, or none left the machine stopped, or its hook panics again.
    pub fn cont(&self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        self.check_idle()?;
        self.host.check_kept()?;
        self.possess(bql)?;
        self.host.go_on(bql)
    }

    /// Gives up the right to let the machine go on here, since it runs at the destination of the
    /// migration that left it stopped. It is then in `postmigrate`, as after a migration that
    /// completed; the migration's own status stays.
    ///
    /// # Errors
    ///
    /// If a migration runs, or none from here left the machine stopped, or its hook panics. The
    /// right is gone all the same after a panic.
    pub fn confirm_moved(&self, bql: &mut BqlGuard<'_>) -> Result<(), MigrationError> {
        self.check_idle()?;
        self.host.check_kept()?;
        self.possess(bql)?;
        self.host.give_up(bql)
    }

    /// Lets a migration go on that waits in `pre-switchover` (`qmp_migrate_continue`).
    ///
    /// # Errors
    ///
    /// If it is in another status.
    pub fn continue_from(
        &self,
        _bql: &mut BqlGuard<'_>,
        status: MigrationStatus,
    ) -> Result<(), MigrationError> {
        let is = self.status(Direction::Outgoing);
        if is != status || status != MigrationStatus::PreSwitchover {
            return Err(MigrationError::NotPaused { status: is.name() });
        }
        self.go_on.signal();
        Ok(())
    }
}
