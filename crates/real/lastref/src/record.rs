//! What one process of `demo` keeps of its run for `--report`: who held the lock, the life of the
//! migration object, what the migration came to and when.
//!
//! The two processes run on one host, so their times are on one clock.

use std::time::{Duration, Instant};

use migration::bql::trace;
use migration::{LifeEvent, LifeEventKind, MigrationInfo, Observer};
use serde::{Deserialize, Serialize};

/// What is recorded until [`Recording::end`].
pub(crate) struct Recording {
    clock: Clock,
}

/// A moment on both clocks: the one that only differences are known of, and the shared one.
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

/// The record of one process. Times are since the start of the clock that both share.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) process: u32,
    /// Oldest first.
    pub(crate) life: Vec<Event>,
    pub(crate) holds: Vec<Hold>,
    /// Each status that the migration came to, oldest first.
    pub(crate) statuses: Vec<(String, Duration)>,
    pub(crate) passes: Vec<Pass>,
    /// When the last byte of the stream went.
    pub(crate) sent: Option<Duration>,
    /// When the vCPU last stopped, and when it last started; zero if it did not.
    pub(crate) stopped_at: Duration,
    pub(crate) started_at: Duration,
}

/// Something that happened to the migration object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    /// On which thread; of a count that is taken, the thread that gets it.
    pub(crate) thread: String,
    pub(crate) what: What,
}

/// [`LifeEventKind`], as it goes from one process to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Created,
    Published,
    Retired,
    Counted,
    GivenBack,
    Dropped,
}

/// One time that a thread held the BQL.
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
    /// The machine stood still.
    pub(crate) stopped: bool,
}

/// The bytes of the stream so far.
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

    /// The vCPU's times are its own to tell, with the lock held.
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
    /// When the first of these happened.
    pub(crate) fn first(&self, what: What) -> Option<&Event> {
        self.life.iter().find(|event| event.what == what)
    }

    /// When the migration came to a status.
    pub(crate) fn status(&self, name: &str) -> Option<Duration> {
        self.statuses.iter().find(|(status, _)| status == name).map(|(_, at)| *at)
    }
}
