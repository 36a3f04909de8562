//! The migration object: QEMU's `MigrationState` and `MigrationIncomingState`, as one.
//!
//! It is made by its owner and handed to every function that works on a migration as the
//! first argument. Nothing in this crate can find it in any other way.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use bql::{BqlGuard, BqlGuarded};

use crate::cancel::CancelEvent;
use crate::error::MigrationError;
use crate::host::Host;
use crate::life::{Life, LifeEventKind};
use crate::parameters::{MigrationParameters, Parameters};
use crate::progress::{Observer, Progress};
use crate::registrations::Registrations;
use crate::status::{Direction, MigrationStatus};

/// A machine's migration, to or from here.
///
/// Who outlives a call owns a count (`Arc<MigrationState>`); everybody else borrows it.
#[derive(Debug)]
pub struct MigrationState {
    pub(crate) host: Host,
    pub(crate) parameters: Parameters,
    pub(crate) outgoing: Side,
    pub(crate) incoming: Side,
    registrations: BqlGuarded<Registrations>,
    life: Life,
}

/// What outgoing and incoming migrations have in common.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) progress: Arc<Progress>,
    pub(crate) cancel: CancelEvent,
    /// The thread that works on it, while one does. Never held over anything.
    thread: Mutex<Option<ThreadId>>,
}

impl Side {
    fn new() -> io::Result<Self> {
        Ok(Side {
            progress: Arc::new(Progress::new()),
            cancel: CancelEvent::new()?,
            thread: Mutex::new(None),
        })
    }

    pub(crate) fn set_thread(&self, thread: Option<ThreadId>) {
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = thread;
    }
}

impl MigrationState {
    /// An object of its own: making, using and dropping it changes nothing else.
    ///
    /// # Errors
    ///
    /// If the process has no file descriptor left.
    pub fn new(host: Host) -> Result<Arc<Self>, MigrationError> {
        let side = || {
            Side::new()
                .map_err(|source| MigrationError::Resources { what: "event descriptor", source })
        };
        let life = Life::default();
        life.record(LifeEventKind::Created);
        Ok(Arc::new(MigrationState {
            host,
            parameters: Parameters::default(),
            outgoing: side()?,
            incoming: side()?,
            registrations: BqlGuarded::new(Registrations::new()),
            life,
        }))
    }

    /// A count for somebody who outlives the call.
    pub fn counted(self: &Arc<Self>) -> Arc<Self> {
        self.life.record(LifeEventKind::Counted);
        Arc::clone(self)
    }

    /// The record of this object's life. It can be read when the object is gone.
    pub fn life(&self) -> &Life {
        &self.life
    }

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
        self.parameters.get()
    }

    /// Sets the parameters, also of a migration that runs.
    pub fn set_parameters(&self, _bql: &BqlGuard<'_>, parameters: MigrationParameters) {
        self.parameters.set(parameters);
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
    pub fn cancel(&self, _bql: &mut BqlGuard<'_>, direction: Direction) {
        let side = self.side(direction);
        if side.progress.status().is_running() {
            side.cancel.request();
            side.progress.set_cancelling();
        }
    }
}

impl Drop for MigrationState {
    fn drop(&mut self) {
        self.life.record(LifeEventKind::Dropped);
    }
}
