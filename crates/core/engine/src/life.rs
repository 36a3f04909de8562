//! The life of a migration object: which threads held a count of it, and which thread dropped the
//! last one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bql::BqlUnlocked;

/// An event in the life of a migration object.
#[derive(Debug, Clone)]
pub struct LifeEvent {
    /// The time of the event.
    pub at: Instant,
    /// The name of the thread it happened on; empty if the thread has no name.
    pub thread: String,
    /// The thread that gets a count that is taken; otherwise the same as `thread`.
    pub holder: String,
    /// The kind of event.
    pub what: LifeEventKind,
}

/// The kinds of event in the life of a migration object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEventKind {
    /// The object was made.
    Created,
    /// The one global publishes the object.
    Published,
    /// The one global no longer publishes the object.
    Retired,
    /// A count was taken, to outlive a call.
    Counted,
    /// A count was given back.
    GivenBack,
    /// The last count is gone.
    Dropped,
}

/// The record of one object's life. It has its own count, so it can be read when the object is
/// gone.
#[derive(Debug, Clone, Default)]
pub struct Life(Arc<Record>);

/// Maximum number of events kept. An object that migrates repeatedly takes and gives back counts
/// without end.
const MAX_EVENTS: usize = 1024;

#[derive(Debug, Default)]
struct Record {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    events: Vec<LifeEvent>,
    /// Number of count events that were dropped, the oldest first.
    forgotten: u64,
    /// The threads that have taken a count and not given it back.
    holders: Vec<String>,
}

impl Kept {
    fn add(&mut self, event: LifeEvent) {
        match event.what {
            LifeEventKind::Counted => self.holders.push(event.holder.clone()),
            LifeEventKind::GivenBack => {
                let place = self.holders.iter().position(|holder| *holder == event.holder);
                place.map(|place| self.holders.remove(place));
            }
            _ => {}
        }
        if self.events.len() == MAX_EVENTS {
            let of_a_count = |event: &LifeEvent| {
                matches!(event.what, LifeEventKind::Counted | LifeEventKind::GivenBack)
            };
            if let Some(oldest) = self.events.iter().position(of_a_count) {
                self.events.remove(oldest);
                self.forgotten += 1;
            }
        }
        self.events.push(event);
    }
}

impl Life {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that `what` happens now on this thread.
    pub(crate) fn record(&self, what: LifeEventKind) {
        let thread = thread::current();
        self.record_for(what, thread.name().unwrap_or(""));
    }

    /// Records that `what` happens now for the thread `holder`.
    pub(crate) fn record_for(&self, what: LifeEventKind, holder: &str) {
        let event = LifeEvent {
            at: Instant::now(),
            thread: thread::current().name().unwrap_or("").to_owned(),
            holder: holder.to_owned(),
            what,
        };
        self.lock().add(event);
        self.0.changed.notify_all();
    }

    /// Returns whether both are records of the same object.
    pub(crate) fn is(&self, other: &Life) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns whether the object was retired, so that the outside can no longer find it.
    pub(crate) fn is_retired(&self) -> bool {
        self.lock().events.iter().any(|event| event.what == LifeEventKind::Retired)
    }

    /// Returns the threads that have taken a count and not given it back.
    pub(crate) fn holders(&self) -> Vec<String> {
        self.lock().holders.clone()
    }

    /// Returns how many count events were dropped, the oldest first. Up to 1024 events are kept.
    pub fn forgotten(&self) -> u64 {
        self.lock().forgotten
    }

    /// Returns the events so far, oldest first.
    pub fn events(&self) -> Vec<LifeEvent> {
        self.lock().events.clone()
    }

    /// Waits until the last count is gone or `limit` has passed, and returns whether the count is
    /// gone. It blocks, so the BQL must not be held.
    pub fn wait_until_dropped(&self, _thread: &mut BqlUnlocked, limit: Duration) -> bool {
        let alive = |kept: &mut Kept| {
            kept.events.last().is_none_or(|event| event.what != LifeEventKind::Dropped)
        };
        let waited = self.0.changed.wait_timeout_while(self.lock(), limit, alive);
        let (mut kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !alive(&mut kept)
    }
}

/// The last field of an object to be dropped: records that the whole object is gone.
#[derive(Debug, Default)]
pub(crate) struct LastPart(pub(crate) Life);

impl Drop for LastPart {
    fn drop(&mut self) {
        self.0.record(LifeEventKind::Dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_life_is_kept_in_little_and_says_what_is_missing() {
        let life = Life::default();
        life.record(LifeEventKind::Created);
        for _ in 0..MAX_EVENTS {
            life.record_for(LifeEventKind::Counted, "a thread");
            life.record_for(LifeEventKind::GivenBack, "a thread");
        }
        life.record_for(LifeEventKind::Counted, "the last thread");
        life.record(LifeEventKind::Retired);
        let events = life.events();
        assert_eq!(events.len(), MAX_EVENTS);
        assert_eq!(life.forgotten(), (MAX_EVENTS + 3) as u64);
        assert_eq!(events[0].what, LifeEventKind::Created, "what happens once is kept");
        assert_eq!(life.holders(), ["the last thread"]);
    }
}
