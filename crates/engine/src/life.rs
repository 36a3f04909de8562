//! The life of a migration object: who held a count of it, and which thread let it go last.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// One thing that happened to a migration object.
#[derive(Debug, Clone)]
pub struct LifeEvent {
    /// When.
    pub at: Instant,
    /// On which thread; threads without a name have none.
    pub thread: String,
    /// What.
    pub what: LifeEventKind,
}

/// What can happen to a migration object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEventKind {
    /// It was made.
    Created,
    /// The one global shows it.
    Published,
    /// The one global is empty again.
    Retired,
    /// Somebody took a count, so as to outlive a call.
    Counted,
    /// The last count is gone.
    Dropped,
}

/// The record of one object. It is counted by itself, so that it can be read when the object
/// is gone.
#[derive(Debug, Clone, Default)]
pub struct Life(Arc<Mutex<Vec<LifeEvent>>>);

impl Life {
    /// Notes that `what` happens now on this thread.
    pub fn record(&self, what: LifeEventKind) {
        let event = LifeEvent {
            at: Instant::now(),
            thread: thread::current().name().unwrap_or("").to_owned(),
            what,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// What happened so far, oldest first.
    pub fn events(&self) -> Vec<LifeEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
