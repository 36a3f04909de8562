//! The bandwidth of the stream, over time.

use std::fmt::Write;

use super::axis::Axis;
use super::layout::Layout;
use super::numbers::{rate, round_end};
use super::picture::{Anchor, Picture};
use super::run::Run;
use super::scale;

const HEIGHT: f64 = 84.0;

/// Maximum number of steps.
const STEPS: usize = 60;

/// Start and end of a step in milliseconds, and its rate in bytes per second.
type Step = (f64, f64, f64);

/// Returns the rate between samples. If there are many, it skips some.
fn steps(run: &Run<'_>) -> Vec<Step> {
    let Some(begin) = run.source.passes.first() else { return Vec::new() };
    let sent = run.source.passes.iter().map(|pass| pass.bytes).sum();
    let end = run.source.passes.last().map(|pass| (run.ms(pass.ended), sent));
    let begin = (run.ms(begin.began), 0);
    let within = |at: f64| at > begin.0 && end.is_some_and(|(end, _)| at < end);
    let every = run.samples.len().div_ceil(STEPS).max(1);
    let samples = run.samples.iter().step_by(every);
    let samples = samples.map(|sample| (run.ms(sample.at), sample.bytes));
    let points: Vec<(f64, u64)> =
        [begin].into_iter().chain(samples.filter(|(at, _)| within(*at))).chain(end).collect();
    points
        .windows(2)
        .filter(|pair| pair[1].0 > pair[0].0)
        .map(|pair| {
            let ((from, before), (to, after)) = (pair[0], pair[1]);
            (from, to, after.saturating_sub(before) as f64 / (to - from) * 1e3)
        })
        .collect()
}

/// Draws the bandwidth with a scale of its own. Rates above the scale are cut off and marked.
pub(super) fn draw(picture: &mut Picture, axis: &Axis, run: &Run<'_>) {
    let steps = steps(run);
    let most = steps.iter().map(|step| step.2).fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    let spans: Vec<(f64, f64)> = steps.iter().map(|(from, to, rate)| (to - from, *rate)).collect();
    let top = scale::end(&spans);
    let Layout { left, right, .. } = picture.layout;
    let bursts = round_end(most) > top;
    if bursts {
        let from = picture.y;
        let text = format!("▲ bursts up to {}, cut off", rate(most));
        picture.text("number", [right, from + 12.0], Anchor::End, &text);
        picture.y += 14.0;
        picture.keep_clear(from);
    }
    let (high, low) = (picture.y + 8.0, picture.y + 8.0 + HEIGHT);
    let y = |rate: f64| low - rate.min(top) / top * HEIGHT;
    for share in [0.0, 0.5, 1.0] {
        let at = y(top * share);
        picture.line("scale", [left, at], [right, at]);
        let text = if share == 0.0 { "0".to_owned() } else { rate(top * share) };
        picture.text("number", [left - 8.0, at + 4.0], Anchor::End, &text);
    }
    picture.name(high + HEIGHT / 4.0 + 4.0, "stream");
    let (mut line, mut ends) = (String::new(), None);
    for (from, to, rate) in steps {
        if let Some((left, right)) = axis.clip(from, to) {
            let start = if line.is_empty() { 'M' } else { 'L' };
            let _ = write!(line, "{start}{left:.1} {0:.1}L{right:.1} {0:.1}", y(rate));
            if bursts && rate > top {
                picture.path("burst", &mark((left + right) / 2.0, high));
            }
            ends = Some((ends.map_or(left, |(first, _)| first), right));
        }
    }
    if let Some((first, last)) = ends {
        picture.path("stream", &format!("{line}L{last:.1} {low:.1}L{first:.1} {low:.1}Z"));
        picture.path("stream-line", &line);
    }
    picture.y = low + 6.0;
}

/// Returns the path of a triangle that points up from where a burst is cut off.
fn mark(x: f64, high: f64) -> String {
    format!("M{:.1} {1:.1}L{2:.1} {1:.1}L{x:.1} {3:.1}Z", x - 4.0, high - 1.0, x + 4.0, high - 7.0)
}
