//! The life of a migration object: who held a count of it, and which thread let it go last.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bql::BqlUnlocked;

/// One thing that happened to a migration object.
#[derive(Debug, Clone)]
pub struct LifeEvent {
    /// When.
    pub at: Instant,
    /// On which thread; threads without a name have none.
    pub thread: String,
    /// Of a count that is taken, the thread that gets it; else the same as `thread`.
    pub holder: String,
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
    /// Who had a count gives it back.
    GivenBack,
    /// The last count is gone.
    Dropped,
}

/// The record of one object. It is counted by itself, so that it can be read when the object
/// is gone.
#[derive(Debug, Clone, Default)]
pub struct Life(Arc<Record>);

/// Events that are kept. An object that migrates again and again takes and gives back counts for ever.
const MOST_EVENTS: usize = 1024;

#[derive(Debug, Default)]
struct Record {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    events: Vec<LifeEvent>,
    /// How many of counts are not kept any more, the oldest first.
    forgotten: u64,
    /// Who took a count and has not given it back.
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
        if self.events.len() == MOST_EVENTS {
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

    /// Notes that `what` happens now on this thread.
    pub(crate) fn record(&self, what: LifeEventKind) {
        let thread = thread::current();
        self.record_for(what, thread.name().unwrap_or(""));
    }

    /// The same of what is done for the thread `holder`.
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

    /// Whether this is the record of the same object.
    pub(crate) fn is(&self, other: &Life) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the outside cannot find the object any more.
    pub(crate) fn is_retired(&self) -> bool {
        self.lock().events.iter().any(|event| event.what == LifeEventKind::Retired)
    }

    /// Who took a count and has not given it back.
    pub(crate) fn holders(&self) -> Vec<String> {
        self.lock().holders.clone()
    }

    /// Returns how many events of counts were forgotten, the oldest first: 1024 events are kept.
    pub fn forgotten(&self) -> u64 {
        self.lock().forgotten
    }

    /// What happened so far, oldest first.
    pub fn events(&self) -> Vec<LifeEvent> {
        self.lock().events.clone()
    }

    /// Waits until the last count is gone, or until `limit` has passed; `true` says that it
    /// is gone. It blocks, so the BQL must not be held.
    pub fn wait_until_dropped(&self, _thread: &mut BqlUnlocked, limit: Duration) -> bool {
        let alive = |kept: &mut Kept| {
            kept.events.last().is_none_or(|event| event.what != LifeEventKind::Dropped)
        };
        let waited = self.0.changed.wait_timeout_while(self.lock(), limit, alive);
        let (mut kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !alive(&mut kept)
    }
}

/// The last part of an object to go: notes that all of it is gone.
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
        for _ in 0..MOST_EVENTS {
            life.record_for(LifeEventKind::Counted, "a thread");
            life.record_for(LifeEventKind::GivenBack, "a thread");
        }
        life.record_for(LifeEventKind::Counted, "the last thread");
        life.record(LifeEventKind::Retired);
        let events = life.events();
        assert_eq!(events.len(), MOST_EVENTS);
        assert_eq!(life.forgotten(), (MOST_EVENTS + 3) as u64);
        assert_eq!(events[0].what, LifeEventKind::Created, "what happens once is kept");
        assert_eq!(life.holders(), ["the last thread"]);
    }
}
