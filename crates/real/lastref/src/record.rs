//! The record that one process of `demo` keeps of its run for `--report`: which thread held the
//! lock, the life of the migration object, and the statuses of the migration.
//!
//! The two processes run on one host, so their times are on the same clock.

use std::time::{Duration, Instant};

use migration::bql::trace;
use migration::{LifeEvent, LifeEventKind, MigrationInfo, MigrationStatus, Observer};
use serde::{Deserialize, Serialize};

/// A recording that lasts until [`Recording::end`].
pub(crate) struct Recording {
    clock: Clock,
}

/// The same moment on two clocks: `Instant`, which has only differences, and the shared clock.
struct Clock {
    instant: Instant,
    monotonic: Duration,
}

impl Clock {
    fn now() -> Self {
        Clock { instant: Instant::now(), monotonic: machine::monotonic() }
    }

    fn at(&self, instant: Instant) -> Duration {
        match instant.checked_duration_since(self.instant) {
            Some(later) => self.monotonic + later,
            None => self.monotonic.saturating_sub(self.instant.duration_since(instant)),
        }
    }
}

/// The record of one process. Times are on the clock that both share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) process: u32,
    /// Events of the migration object, oldest first.
    pub(crate) life: Vec<Event>,
    pub(crate) holds: Vec<Hold>,
    /// Each status of the migration and its start, oldest first.
    pub(crate) statuses: Vec<(String, Duration)>,
    pub(crate) passes: Vec<Pass>,
    /// When the last byte of the stream was sent.
    pub(crate) sent: Option<Duration>,
    /// Times of the vCPU's last stop and last start; zero if there was none.
    pub(crate) stopped_at: Duration,
    pub(crate) started_at: Duration,
}

/// An event in the life of the migration object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    /// The thread of the event; if a count is taken, the thread that gets it.
    pub(crate) thread: String,
    pub(crate) what: What,
}

/// [`LifeEventKind`] in a form that can be sent from one process to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Created,
    Published,
    Retired,
    Counted,
    GivenBack,
    Dropped,
}

/// One period during which a thread held the BQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) thread: String,
    pub(crate) asked: Duration,
    pub(crate) taken: Duration,
    pub(crate) released: Duration,
}

/// One pass over memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pass {
    pub(crate) number: u64,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) dirty: u64,
    pub(crate) normal: u64,
    pub(crate) duplicate: u64,
    pub(crate) bytes: u64,
    /// Whether the machine was stopped.
    pub(crate) stopped: bool,
}

/// A sample of the bytes of the stream so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) bytes: u64,
}

impl Sample {
    pub(crate) fn of(info: &MigrationInfo) -> Self {
        Sample { at: machine::monotonic(), bytes: info.transferred }
    }
}

impl Recording {
    pub(crate) fn start() -> Self {
        trace::start();
        Recording { clock: Clock::now() }
    }

    /// Ends the recording and returns it, without the times of the vCPU, which need the lock.
    pub(crate) fn end(self, observer: &Observer, life: &[LifeEvent]) -> Record {
        let at = |instant| self.clock.at(instant);
        let course = observer.course();
        let statuses = course.statuses.into_iter();
        let passes = course.passes.into_iter();
        let hold = |hold: trace::Hold| Hold {
            thread: hold.thread,
            asked: at(hold.asked),
            taken: at(hold.taken),
            released: at(hold.released),
        };
        Record {
            process: std::process::id(),
            life: life.iter().map(|event| Event::new(event, at(event.at))).collect(),
            holds: trace::stop().into_iter().map(hold).collect(),
            statuses: statuses.map(|(status, then)| (status.name().into(), at(then))).collect(),
            passes: passes.map(|pass| Pass::new(&pass, at)).collect(),
            sent: course.sent.map(at),
            stopped_at: Duration::ZERO,
            started_at: Duration::ZERO,
        }
    }
}

impl From<LifeEventKind> for What {
    fn from(kind: LifeEventKind) -> Self {
        match kind {
            LifeEventKind::Created => What::Created,
            LifeEventKind::Published => What::Published,
            LifeEventKind::Retired => What::Retired,
            LifeEventKind::Counted => What::Counted,
            LifeEventKind::GivenBack => What::GivenBack,
            LifeEventKind::Dropped => What::Dropped,
        }
    }
}

impl Event {
    fn new(event: &LifeEvent, at: Duration) -> Self {
        Event { at, thread: event.holder.clone(), what: event.what.into() }
    }
}

impl Pass {
    fn new(pass: &migration::Pass, at: impl Fn(Instant) -> Duration) -> Self {
        let migration::Pass { number, began, ended, dirty, normal, duplicate, bytes, stopped } =
            *pass;
        Pass {
            number,
            began: at(began),
            ended: at(ended),
            dirty,
            normal,
            duplicate,
            bytes,
            stopped,
        }
    }
}

impl Record {
    /// Returns the first event of this kind.
    pub(crate) fn first(&self, what: What) -> Option<&Event> {
        self.life.iter().find(|event| event.what == what)
    }

    /// Returns when the migration reached a status.
    pub(crate) fn status(&self, status: MigrationStatus) -> Option<Duration> {
        self.statuses.iter().find(|(name, _)| name == status.name()).map(|(_, at)| *at)
    }
}
