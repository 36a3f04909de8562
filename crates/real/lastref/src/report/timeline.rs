//! The migration on one time axis, source above and destination below: the whole, the switchover,
//! and the end of each object.

use super::axis::Axis;
use super::labels::{Label, Labels};
use super::layout::Layout;
use super::numbers::{rate, span};
use super::picture::{Anchor, Picture, width_of};
use super::run::{Run, Side};
use super::{bandwidth, lanes, wrap};
use crate::record::What;

/// Draws the migration from its start to the last event.
pub(super) fn whole(run: &Run<'_>, layout: Layout) -> String {
    let (from, to) = (run.begin(), run.end());
    let margin = (to - from).max(0.1) * 0.02;
    let axis = Axis { layout, from: from - margin, to: to + margin, zero: 0.0 };
    let mut figure = Figure::begin(run, axis);
    bandwidth::draw(&mut figure.picture, &axis, run);
    passes(&mut figure.picture, &axis, run);
    figure.both_sides();
    figure.finish("whole", "The whole migration")
}

/// Draws the time from just before the machine stops to just after it continues.
pub(super) fn switchover(run: &Run<'_>, layout: Layout) -> Option<String> {
    let stopped = run.stopped()?;
    let last =
        run.started().into_iter().chain(run.sent()).chain(run.resumed()).fold(stopped, f64::max);
    let margin = ((last - stopped) * 0.2).max(0.02);
    let axis = Axis { layout, from: stopped - margin, to: last + margin * 1.5, zero: stopped };
    let mut figure = Figure::begin(run, axis);
    passes(&mut figure.picture, &axis, run);
    figure.both_sides();
    Some(figure.finish("switchover", "The switchover"))
}

/// Draws the time around the moments when one object is retired and dropped.
pub(super) fn last_count(run: &Run<'_>, side: Side, layout: Layout) -> Option<String> {
    let record = run.record(side)?;
    let [retired, dropped] =
        [What::Retired, What::Dropped].map(|what| record.first(what).map(|event| run.ms(event.at)));
    let (retired, dropped) = (retired?, dropped?);
    // The thread may have dropped its count earlier. That is shown if it was shortly before.
    let near = (8.0 * (dropped - retired)).max(0.1);
    let given_back = record.life.iter().filter(|event| event.what == What::GivenBack);
    let given_back = given_back.map(|event| run.ms(event.at)).filter(|at| retired - at < near);
    let first = given_back.fold(retired, f64::min);
    let margin = ((dropped - first) * 0.35).max(0.01);
    let axis = Axis { layout, from: first - margin, to: dropped + margin, zero: retired };
    let mut picture = Picture::new(layout);
    axis.numbers(&mut picture);
    let top = picture.y;
    lanes::draw(&mut picture, &axis, run, side);
    axis.grid(&mut picture, top);
    let name = side.name();
    let title = format!("The last count at the {name}");
    let about = format!("{} later the last count is dropped.", span(dropped - retired));
    Some(picture.finish(&format!("last-count-{name}"), &title, &about))
}

/// A picture of both sides that is being drawn.
struct Figure<'a> {
    run: &'a Run<'a>,
    axis: Axis,
    picture: Picture,
    /// Top of the drawing, below the numbers.
    top: f64,
    /// Position and top of the line of each named moment.
    moments: Vec<(f64, f64)>,
}

impl<'a> Figure<'a> {
    /// Starts a picture with its numbers and the moments of the switchover.
    fn begin(run: &'a Run<'a>, axis: Axis) -> Self {
        let mut picture = Picture::new(axis.layout);
        axis.numbers(&mut picture);
        let top = picture.y;
        let mut labels = Vec::new();
        let mut label = |at: Option<f64>, text: String| {
            if let Some(at) = at.filter(|at| axis.shows(*at)) {
                labels.push(Label { x: axis.x(at), text, class: "moment" });
            }
        };
        label(run.stopped(), "the machine stops".into());
        label(run.sent(), "last byte sent".into());
        let after = run.stopped().zip(run.started()).map(|(stopped, started)| started - stopped);
        let after = after
            .map(|after| format!(", {}", wrap::unbroken(&format!("{after:.1} ms later"))))
            .unwrap_or_default();
        label(run.started(), format!("starts at the destination{after}"));
        label(run.resumed(), "resumes at the source".into());
        let moments = Labels::place(labels, &axis.layout).draw(&mut picture);
        picture.keep_clear(top);
        Figure { run, axis, picture, top, moments }
    }

    fn both_sides(&mut self) {
        for side in Side::BOTH {
            lanes::draw(&mut self.picture, &self.axis, self.run, side);
        }
    }

    fn finish(mut self, id: &str, title: &str) -> String {
        let on = self.run.started().or(self.run.resumed()).unwrap_or(self.run.end());
        if let Some((left, right)) = self.run.stopped().and_then(|off| self.axis.clip(off, on)) {
            self.picture.band_under("down", left, right, self.top);
        }
        self.axis.grid(&mut self.picture, self.top);
        for (x, from) in self.moments {
            self.picture.line_under("moment-line", x, from);
        }
        self.picture.finish(id, title, &self.run.sentence())
    }
}

/// Draws a band for each pass.
fn passes(picture: &mut Picture, axis: &Axis, run: &Run<'_>) {
    picture.name(picture.y + 14.0, "passes");
    for pass in &run.source.passes {
        let number = pass.number;
        let (from, to) = (run.ms(pass.began), run.ms(pass.ended));
        let Some((left, right)) = axis.clip(from, to) else { continue };
        let seconds = ((to - from) / 1e3).max(1e-9);
        let about =
            format!("pass {number}: {} at {}", span(to - from), rate(pass.bytes as f64 / seconds));
        let class = match (pass.stopped, number % 2) {
            (true, _) => "pass rest",
            (false, 1) => "pass odd",
            (false, _) => "pass even",
        };
        picture.rectangle(class, [left, picture.y + 2.0, (right - left).max(1.0), 17.0], &about);
        let text = if pass.stopped { "the rest".to_owned() } else { format!("pass {number}") };
        if width_of(&text) + 8.0 <= right - left {
            picture.text(
                "in-pass",
                [(left + right) / 2.0, picture.y + 14.5],
                Anchor::Middle,
                &text,
            );
        }
    }
    picture.y += 22.0;
}
