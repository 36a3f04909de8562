//! The ownership of the migration object in one process, over time: the one global, a lane for each
//! thread with its counts and the times it holds the lock, and the number of counts.

use std::fmt::Write;

use super::axis::Axis;
use super::counts;
use super::labels::{Label, Labels};
use super::layout::Layout;
use super::numbers::{milliseconds, span};
use super::picture::{Anchor, Picture, width_of};
use super::run::{Run, Side};
use super::wrap;
use crate::record::{Record, What};

const LANE: f64 = 22.0;
const COUNTS: f64 = 34.0;
/// Height of a line of text.
const ROW: f64 = 16.0;
/// Minimum width of a hold, which lasts only microseconds.
const LEAST: f64 = 2.0;

/// Name of the vCPU's thread.
const VCPU: &str = "CPU 0";

/// Draws one side.
pub(super) fn draw(picture: &mut Picture, axis: &Axis, run: &Run<'_>, side: Side) {
    let Some(record) = run.record(side) else { return };
    let lanes = Lanes { axis, run, record, side };
    let top = picture.y;
    lanes.head(picture);
    lanes.statuses(picture);
    let lines = lanes.labels().draw(picture);
    picture.keep_clear(top);
    lanes.global(picture);
    for thread in lanes.threads().into_iter().filter(|thread| lanes.has_to_show(thread)) {
        lanes.thread(picture, thread);
    }
    let below = picture.y;
    lanes.counts(picture);
    for (x, top) in lines {
        picture.line("moment-line", [x, top], [x, picture.y]);
    }
    picture.y += 6.0;
    picture.keep_clear(below);
}

struct Lanes<'a> {
    axis: &'a Axis,
    run: &'a Run<'a>,
    record: &'a Record,
    side: Side,
}

/// A count: the thread that has it, and from when to when.
struct Count<'a> {
    thread: &'a str,
    from: f64,
    to: Option<f64>,
}

impl<'a> Lanes<'a> {
    fn at(&self, what: What) -> Option<f64> {
        self.record.first(what).map(|event| self.run.ms(event.at))
    }

    fn head(&self, picture: &mut Picture) {
        let name = self.side.name();
        let right = self.axis.layout.right;
        picture.y += 10.0;
        picture.line("edge", [0.0, picture.y], [right, picture.y]);
        picture.text("side", [0.0, picture.y + 19.0], Anchor::Start, name);
        let process = format!("process {}", self.record.process);
        let beside_name = width_of(name) * 1.35 + 12.0;
        picture.text("number", [beside_name, picture.y + 19.0], Anchor::Start, &process);
        let taken = beside_name + width_of(&process) + 12.0;
        if self.axis.is_the_migrations() {
            let statuses = self.record.statuses.iter();
            let statuses = statuses.map(|(status, at)| {
                wrap::unbroken(&format!("{status} {}", milliseconds(self.run.ms(*at))))
            });
            let text = statuses.collect::<Vec<_>>().join("\u{a0}→ ");
            let beside = taken + width_of(&text) <= right;
            if !beside {
                picture.y += ROW;
            }
            for (at, line) in wrap::lines(&text, right - 12.0).iter().enumerate() {
                picture.y += if at == 0 { 0.0 } else { ROW };
                picture.text("number", [right, picture.y + 19.0], Anchor::End, line);
            }
        }
        picture.y += 26.0;
    }

    fn statuses(&self, picture: &mut Picture) {
        picture.name(picture.y + 14.0, "status");
        let statuses = &self.record.statuses;
        for (at, (status, from)) in statuses.iter().enumerate() {
            let from = self.run.ms(*from);
            let to =
                statuses.get(at + 1).map_or(self.axis.to.max(from), |(_, to)| self.run.ms(*to));
            let Some((left, right)) = self.axis.clip(from, to) else { continue };
            let about = match statuses.get(at + 1) {
                Some(_) => format!("{status} for {}", span(to - from)),
                None => status.clone(),
            };
            let shade = if at % 2 == 0 { "status even" } else { "status odd" };
            let box_ = [left, picture.y + 2.0, (right - left).max(1.0), LANE - 5.0];
            picture.rectangle(shade, box_, &about);
            if width_of(status) + 6.0 <= right - left {
                let place = [(left + right) / 2.0, picture.y + 14.5];
                picture.text("in-status", place, Anchor::Middle, status);
            }
        }
        picture.y += LANE + 2.0;
    }

    /// Returns labels for the events of the object that are in the window.
    fn labels(&self) -> Labels {
        let mut labels = Vec::new();
        let mut label = |at: Option<f64>, class, text: String| {
            if let Some(at) = at.filter(|at| self.axis.shows(*at)) {
                labels.push(Label { x: self.axis.x(at), text, class });
            }
        };
        label(self.at(What::Published), "moment", "published".into());
        label(self.at(What::Retired), "retired", "retired".into());
        label(self.at(What::Dropped), "moment", self.last_drop());
        Labels::place(labels, &self.axis.layout)
    }

    /// Says which thread dropped the last count, and how long after the object was retired.
    fn last_drop(&self) -> String {
        let Some(dropped) = self.record.first(What::Dropped) else { return String::new() };
        let by = format!("last count dropped by {}", dropped.thread);
        let Some(retired) = self.at(What::Retired) else { return by };
        let after = span(self.run.ms(dropped.at) - retired);
        format!("{by}, {}", wrap::unbroken(&format!("{after} later")))
    }

    fn global(&self, picture: &mut Picture) {
        picture.name(picture.y + 15.0, "the one global");
        self.base(picture);
        let Some(published) = self.at(What::Published) else { return picture.y += LANE };
        let retired = self.at(What::Retired);
        let to = retired.unwrap_or(self.axis.to.max(published));
        if let Some((left, right)) = self.axis.clip(published, to) {
            let about = format!("the global shows the object for {}", span(to - published));
            picture.rectangle(
                "export",
                [left, picture.y + 3.0, (right - left).max(1.0), LANE - 6.0],
                &about,
            );
            let short = "shows the object".to_owned();
            let long = format!("{short} to the holder of the lock");
            let mut texts = vec![long, short];
            if published < self.axis.from && self.axis.is_the_migrations() {
                texts.insert(
                    0,
                    format!("{}, published {} before the migration", texts[0], span(-published)),
                );
            }
            if let Some(text) = texts.iter().find(|text| width_of(text) + 12.0 <= right - left) {
                picture.text("in-export", [left + 8.0, picture.y + 15.0], Anchor::Start, text);
            }
        }
        if let Some((left, right)) =
            retired.and_then(|retired| self.axis.clip(retired, self.axis.to.max(retired)))
        {
            let text = "shows nothing";
            let box_ = [left, picture.y + 3.0, (right - left).max(1.0), LANE - 6.0];
            picture.rectangle("nothing", box_, "the global shows nothing");
            if width_of(text) + 12.0 <= right - left {
                picture.text("in-nothing", [left + 6.0, picture.y + 15.0], Anchor::Start, text);
            }
        }
        picture.y += LANE;
    }

    fn base(&self, picture: &mut Picture) {
        let y = picture.y + LANE / 2.0;
        picture.line("lane", [self.axis.layout.left, y], [self.axis.layout.right, y]);
    }

    /// Returns the threads: the main thread, then those of migration in order of appearance, then
    /// the vCPU's.
    fn threads(&self) -> Vec<&'a str> {
        let mut threads: Vec<&str> = Vec::new();
        let life = self.record.life.iter().map(|event| event.thread.as_str());
        let holds = self.record.holds.iter().map(|hold| hold.thread.as_str());
        // A vCPU that executes all the time may not have taken the lock.
        for thread in life.chain(holds).chain([VCPU]) {
            if !threads.contains(&thread) {
                threads.push(thread);
            }
        }
        threads.sort_by_key(|thread| (*thread == VCPU, *thread != "main"));
        threads
    }

    /// Returns whether a thread does anything in the window.
    fn has_to_show(&self, thread: &str) -> bool {
        let executes = self.executed().into_iter().filter(|_| thread == VCPU);
        let counts = self.held().into_iter().filter(|count| count.thread == thread);
        let counts = counts.map(|count| (count.from, count.to.unwrap_or(f64::INFINITY)));
        let holds = self.record.holds.iter().filter(|hold| hold.thread == thread);
        let holds = holds.map(|hold| (self.run.ms(hold.asked), self.run.ms(hold.released)));
        executes.chain(counts).chain(holds).any(|(from, to)| self.axis.clip(from, to).is_some())
    }

    fn thread(&self, picture: &mut Picture, thread: &str) {
        let name = if thread.is_empty() { "a thread" } else { thread };
        picture.name(picture.y + 15.0, name);
        self.base(picture);
        let middle = picture.y + LANE / 2.0;
        let bar = |left: f64, right: f64, least: f64, height: f64| {
            [left, middle - height / 2.0, (right - left).max(least), height]
        };
        for (from, to) in self.executed().into_iter().filter(|_| thread == VCPU) {
            if let Some((left, right)) = self.axis.clip(from, to) {
                picture.rectangle(
                    "executes",
                    bar(left, right, 1.0, 8.0),
                    "the vCPU executes, without the lock",
                );
            }
        }
        for count in self.held().iter().filter(|count| count.thread == thread) {
            let to = count.to.unwrap_or(self.axis.to.max(count.from));
            if let Some((left, right)) = self.axis.clip(count.from, to) {
                let about = format!("{name} has a count for {}", span(to - count.from));
                picture.rectangle("count", bar(left, right, 1.0, 8.0), &about);
            }
        }
        for hold in self.record.holds.iter().filter(|hold| hold.thread == thread) {
            let [asked, taken, released] =
                [hold.asked, hold.taken, hold.released].map(|at| self.run.ms(at));
            if let Some((left, right)) =
                self.axis.clip(asked, taken).filter(|(left, right)| right - left >= 1.0)
            {
                let about = format!("{name} waits for the lock for {}", span(taken - asked));
                picture.rectangle("waits", bar(left, right, 1.0, 14.0), &about);
            }
            if let Some((left, right)) = self.axis.clip(taken, released) {
                let about = format!("{name} holds the lock for {}", span(released - taken));
                picture.rectangle("holds", bar(left, right, LEAST, 16.0), &about);
            }
        }
        if let Some(dropped) =
            self.record.first(What::Dropped).filter(|event| event.thread == thread)
        {
            let at = self.run.ms(dropped.at);
            if self.axis.shows(at) {
                picture.circle("last", [self.axis.x(at), middle], 5.5, &self.last_drop());
            }
        }
        picture.y += LANE;
    }

    /// Returns when the vCPU executed, according to its last stop and its last start.
    fn executed(&self) -> Vec<(f64, f64)> {
        let known = |at: std::time::Duration| (!at.is_zero()).then(|| self.run.ms(at));
        let (stopped, started) = (known(self.record.stopped_at), known(self.record.started_at));
        let (always, end) = (f64::NEG_INFINITY, f64::INFINITY);
        match (self.side, stopped, started) {
            (_, None, None) => Vec::new(),
            (_, None, Some(started)) => vec![(started, end)],
            (Side::Source, Some(stopped), Some(started)) if started > stopped => {
                vec![(always, stopped), (started, end)]
            }
            (_, Some(stopped), Some(started)) => vec![(started, stopped)],
            (_, Some(stopped), None) => vec![(always, stopped)],
        }
    }

    fn held(&self) -> Vec<Count<'a>> {
        let mut counts: Vec<Count<'_>> = Vec::new();
        for event in &self.record.life {
            let at = self.run.ms(event.at);
            let of = |count: &&mut Count<'_>| count.thread == event.thread && count.to.is_none();
            match event.what {
                What::Created | What::Counted => {
                    counts.push(Count { thread: &event.thread, from: at, to: None });
                }
                What::GivenBack => {
                    if let Some(count) = counts.iter_mut().rev().find(of) {
                        count.to = Some(at);
                    }
                }
                // The last count ends when the object is dropped.
                What::Dropped => {
                    let of = |count: &&mut Count<'_>| count.thread == event.thread;
                    if let Some(last) = counts.iter_mut().rev().find(of) {
                        last.to = Some(at);
                    }
                }
                What::Published | What::Retired => {}
            }
        }
        counts
    }

    /// Draws the number of counts as steps.
    fn counts(&self, picture: &mut Picture) {
        let changes = self.run.counts(self.record);
        let most = counts::most(&changes);
        let Layout { left: begin, right: end, .. } = self.axis.layout;
        let (high, low) = (picture.y + 16.0, picture.y + 16.0 + COUNTS);
        let y = |counts: usize| low - counts as f64 / most.max(1) as f64 * COUNTS;
        for (line, y) in [("counted", high + 15.0), ("references", high + 29.0)] {
            picture.text("name", [begin - 26.0, y], Anchor::End, line);
        }
        picture.text("number most", [begin - 8.0, high + 4.0], Anchor::End, &most.to_string());
        picture.text("number", [begin - 8.0, low + 4.0], Anchor::End, "0");
        picture.line("scale", [begin, low], [end, low]);
        let (mut line, mut texts) = (String::new(), Vec::new());
        for (at, (from, counts)) in changes.iter().enumerate() {
            let to = changes.get(at + 1).map_or(self.axis.to.max(*from), |(to, _)| *to);
            let Some((left, right)) = self.axis.clip(*from, to) else { continue };
            let start = if line.is_empty() { 'M' } else { 'L' };
            let _ = write!(line, "{start}{left:.2} {0:.1}L{right:.2} {0:.1}", y(*counts));
            if right - left >= 16.0 {
                texts.push(([(left + right) / 2.0, y(*counts) - 4.0], counts.to_string()));
            }
        }
        picture.path("counts", &line);
        for (place, text) in texts {
            picture.text("number", place, Anchor::Middle, &text);
        }
        picture.y = low + 4.0;
    }
}
