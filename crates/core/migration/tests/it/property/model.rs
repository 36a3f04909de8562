//! The face, as it should be.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use migration::MigrationStatus::{Active, Cancelling, Completed, Device, None as Nothing, Setup};
use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{
    Blocker, Direction, Life, LifeEventKind, MigMode, MigModes, MigrationCapabilities,
    MigrationParameters, MigrationStatus, Notifier, Observer, Retired,
};
use test_support::machine::{Trace, lock};
use test_support::wait::DEADLINE;

use super::attempt::{Attempt, Peer};
use super::random::Random;
use crate::turn::Owned;

pub(crate) const OUT: usize = 0;
pub(crate) const IN: usize = 1;
pub(crate) const BOTH: [Direction; 2] = [Direction::Outgoing, Direction::Incoming];

/// A migration object in the model: with the right to shut it down, or without.
pub(crate) struct Object {
    pub(crate) life: Life,
    pub(crate) observers: [Observer; 2],
    pub(crate) attempts: [Attempt; 2],
    pub(crate) parameters: MigrationParameters,
    pub(crate) capabilities: MigrationCapabilities,
    pub(crate) told: Trace,
    pub(crate) moved: usize,
    /// The BQL was released since it was last seen.
    pub(crate) released: bool,
}

impl Object {
    pub(crate) fn runs(&self) -> bool {
        self.attempts.iter().any(Attempt::runs)
    }

    /// Compares with the object; returns the event of an outgoing migration that has ended.
    #[track_caller]
    pub(crate) fn see(&mut self) -> Option<MigrationStatus> {
        let ran = self.attempts[OUT].runs();
        for (attempt, observer) in self.attempts.iter_mut().zip(&self.observers) {
            attempt.see(observer, self.released);
        }
        self.released = false;
        let ended = (ran && !self.attempts[OUT].runs()).then_some(self.attempts[OUT].status);
        self.moved += usize::from(ended == Some(Completed));
        if !self.runs() {
            assert_eq!(self.told.count("moved"), self.moved);
            assert_eq!(self.told.count("stop"), self.moved + self.told.count("resume"));
            assert_eq!(self.told.count("arrived"), 0);
        }
        ended
    }
}

/// What one notifier heard, of SETUP, DONE and FAILED.
pub(crate) type Heard = Arc<[AtomicUsize; 3]>;

pub(crate) struct ModelNotifier {
    pub(crate) _handle: Notifier,
    pub(crate) heard: Heard,
    pub(crate) modes: MigModes,
    pub(crate) refuses: bool,
    /// Since when nothing is missing of what it must have heard, and how much that is.
    pub(crate) complete: Option<[usize; 3]>,
}

/// The face, as it should be.
pub(crate) struct Model {
    pub(crate) random: Random,
    pub(crate) narrow: bool,
    pub(crate) script: Arc<Mutex<String>>,
    pub(crate) right: Option<(Owned, Object)>,
    /// Objects that were shut down and whose threads may run.
    pub(crate) retired: Vec<(Option<Retired>, Object)>,
    pub(crate) blockers: Vec<(Blocker, MigModes)>,
    pub(crate) notifiers: Vec<ModelNotifier>,
    pub(crate) only_migratable: bool,
    pub(crate) number: usize,
    pub(crate) kept: Vec<Observer>,
}

impl Model {
    pub(crate) fn current(&mut self) -> Option<&mut Object> {
        self.right.as_mut().map(|(_, object)| object)
    }

    pub(crate) fn outgoing_runs(&self) -> bool {
        self.right.as_ref().is_some_and(|(_, object)| object.attempts[OUT].runs())
    }

    /// Nothing runs anywhere, so nothing happens while the BQL is held.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.right.as_ref().is_some_and(|(_, object)| object.runs())
            && !self.retired.iter().any(|(_, object)| object.runs())
    }

    pub(crate) fn parameters(&self) -> MigrationParameters {
        self.right.as_ref().map(|(_, object)| object.parameters).unwrap_or_default()
    }

    pub(crate) fn note(&self, what: &str) {
        // A `String` takes everything.
        let _ = write!(lock(&self.script), " {what};");
    }

    /// Lets other threads run for a moment.
    pub(crate) fn release(
        &mut self,
        bql: &mut BqlGuard<'_>,
        what: impl FnOnce(&Self, &mut BqlUnlocked),
    ) {
        bql.unlocked(|thread| what(self, thread));
        if let Some(object) = self.current() {
            object.released = true;
        }
        for (_, object) in &mut self.retired {
            object.released = true;
        }
    }

    /// A migration that has begun must tell, at its end, all of these.
    pub(crate) fn note_end(&mut self, ended: Option<(MigrationStatus, bool)>) {
        let Some((status, connected)) = ended else {
            return;
        };
        let mut refused = !connected;
        for notifier in &mut self.notifiers {
            if !notifier.modes.contains(MigMode::Normal) {
                continue;
            }
            if let Some(complete) = &mut notifier.complete {
                complete[0] += usize::from(!refused);
                complete[if status == Completed { 1 } else { 2 }] += 1;
            }
            refused |= notifier.refuses;
        }
    }

    /// Compares every answer of the face with the model's.
    #[track_caller]
    pub(crate) fn check(&mut self, bql: &mut BqlGuard<'_>) {
        let mut ended = Vec::new();
        let exported = self.right.iter_mut().map(|(_, object)| object);
        for object in exported.chain(self.retired.iter_mut().map(|(_, object)| object)) {
            let connected = object.attempts[OUT].peer != Peer::Nowhere;
            ended.push(object.see().map(|status| (status, connected)));
        }
        for ended in ended {
            self.note_end(ended);
        }
        for (index, notifier) in self.notifiers.iter_mut().enumerate() {
            let heard = [0, 1, 2].map(|event| notifier.heard[event].load(Ordering::SeqCst));
            if let (Some(complete), true) = (notifier.complete, self.retired.is_empty()) {
                let runs = self.right.as_ref().is_some_and(|(_, object)| object.runs());
                if !runs {
                    assert_eq!(heard, complete, "notifier {index}");
                }
            }
        }

        let object = self.right.as_ref().map(|(_, object)| object);
        let status = object.map_or(Nothing, |object| object.attempts[OUT].status);
        assert_eq!(migration::is_running(bql), status.is_running());
        assert_eq!(migration::is_idle(bql), !status.is_running());
        assert_eq!(migration::is_setup_or_active(bql), status.is_running() && status != Cancelling);
        // The step from setup to active needs no BQL, so it may come between two questions.
        if status != Setup {
            assert_eq!(migration::is_active(bql), status == Active);
        }
        assert_eq!(migration::is_device(bql), status == Device);
        assert!(!migration::thread_is_self(bql));
        for direction in BOTH {
            assert_eq!(migration::observer(bql, direction).is_some(), object.is_some());
        }
        assert_eq!(migration::life(bql).is_some(), object.is_some());
        assert_eq!(migration::parameters(bql), self.parameters());
        assert_eq!(migration::announce_params(bql), self.parameters().announce);
        let capabilities = object.map(|object| object.capabilities).unwrap_or_default();
        assert_eq!(migration::capabilities(bql), capabilities);
        assert_eq!(migration::blocked_reasons(bql), self.reasons());
        for (_, object) in &self.retired {
            let dropped = object.life.events().iter().any(|e| e.what == LifeEventKind::Dropped);
            assert!(!(dropped && object.runs()), "it is gone and runs");
        }
    }

    pub(crate) fn reasons(&self) -> Vec<String> {
        let mode = self.parameters().mode;
        let of_mode = self.blockers.iter().filter(|(_, modes)| modes.contains(mode));
        of_mode.map(|(blocker, _)| blocker.reason().to_owned()).collect()
    }

    /// Everything is shut down and given back, and then it is gone. What is left are observers.
    #[track_caller]
    pub(crate) fn finish(mut self, bql: &mut BqlGuard<'_>) -> Vec<Observer> {
        self.shut_down(bql);
        self.check(bql);
        self.release(bql, |model, thread| {
            for (_, object) in &model.retired {
                for (attempt, observer) in object.attempts.iter().zip(&object.observers) {
                    let over = |status: MigrationStatus| !status.is_running();
                    let status = observer.wait(thread, DEADLINE, |status, _| over(status));
                    assert!(over(status), "{status} for ever: {attempt:?}");
                }
            }
        });
        self.check(bql);
        let retired = std::mem::take(&mut self.retired);
        let (counts, objects): (Vec<_>, Vec<_>) = retired.into_iter().unzip();
        drop(counts);
        for object in &objects {
            let dropped = bql.unlocked(|thread| object.life.wait_until_dropped(thread, DEADLINE));
            assert!(dropped, "{:?}", object.life.events());
            assert_one_life(&object.life);
        }
        // Every thread is gone, and so every notifier has heard everything.
        self.check(bql);
        drop(self.notifiers);
        drop(self.blockers);
        migration::set_only_migratable(bql, false);
        assert!(migration::blocked_reasons(bql).is_empty());
        assert!(self.kept.iter().all(|observer| !observer.is_running()), "true for ever");
        self.kept
    }
}

/// Made, shown, taken away and dropped, once each and in this order; and every count given back,
/// the owner's too.
#[track_caller]
pub(crate) fn assert_one_life(life: &Life) {
    let events = life.events().into_iter().map(|event| event.what);
    let (counts, events): (Vec<_>, Vec<_>) =
        events.partition(|what| matches!(what, LifeEventKind::Counted | LifeEventKind::GivenBack));
    let given_back = counts.iter().filter(|what| **what == LifeEventKind::GivenBack).count();
    assert_eq!(given_back, counts.len() - given_back + 1, "{counts:?}");
    let [created, published, retired, dropped] = [
        LifeEventKind::Created,
        LifeEventKind::Published,
        LifeEventKind::Retired,
        LifeEventKind::Dropped,
    ];
    assert_eq!(events, [created, published, retired, dropped]);
}
