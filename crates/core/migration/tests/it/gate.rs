//! Threads that are held where a test wants them.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use migration::bql::BqlGuard;
use migration::{MigrationEvent, Notifier};
use test_support::machine::lock;
use test_support::wait::DEADLINE;

/// A meeting place: threads come, and go on when the test lets them.
#[derive(Default)]
pub(crate) struct Gate {
    /// How many came, and how many of them may go on.
    count: Mutex<(usize, usize)>,
    changed: Condvar,
}

impl Gate {
    fn change(&self, change: impl FnOnce(&mut (usize, usize))) {
        change(&mut lock(&self.count));
        self.changed.notify_all();
    }

    fn wait(&self, done: impl Fn(&(usize, usize)) -> bool) -> bool {
        let count = lock(&self.count);
        let waited = self.changed.wait_timeout_while(count, DEADLINE, |count| !done(count));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Comes, and waits until it may go on.
    pub(crate) fn pass(&self) {
        let mut number = 0;
        self.change(|(came, _)| {
            *came += 1;
            number = *came;
        });
        self.wait(|(_, may)| number <= *may);
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, number: usize) {
        assert!(self.wait(|(came, _)| *came >= number), "nobody came");
    }

    /// Whoever comes may go on.
    pub(crate) fn open(&self) {
        self.change(|(_, may)| *may = usize::MAX);
    }
}

/// Opens the gate also for a test that has failed.
pub(crate) struct OpenedAtEnd(Arc<Gate>);

impl Drop for OpenedAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

pub(crate) fn gate() -> (OpenedAtEnd, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    (OpenedAtEnd(Arc::clone(&gate)), gate)
}

/// Holds migration threads in their last call-out, with the BQL released.
pub(crate) fn hold_at_the_end(bql: &mut BqlGuard<'_>) -> (Notifier, OpenedAtEnd, Arc<Gate>) {
    let (opened, gate) = gate();
    let passes = Arc::clone(&gate);
    let notifier = migration::add_notifier(bql, move |bql, event| {
        if event != MigrationEvent::PrecopySetup {
            bql.unlocked(|_| passes.pass());
        }
        Ok(())
    });
    (notifier, opened, gate)
}
