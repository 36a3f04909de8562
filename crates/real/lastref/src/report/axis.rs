//! The time axis of a picture.

use super::layout::Layout;
use super::numbers::round_step;
use super::picture::{Anchor, Picture, width_of};

/// A window of time. Times are milliseconds since the migration began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) layout: Layout,
    pub(super) from: f64,
    pub(super) to: f64,
    /// The moment that the axis calls 0.
    pub(super) zero: f64,
}

impl Axis {
    pub(super) fn x(&self, at: f64) -> f64 {
        let Layout { left, right, .. } = self.layout;
        left + (at - self.from) / (self.to - self.from) * (right - left)
    }

    /// Returns whether its 0 is the start of the migration.
    pub(super) fn is_the_migrations(&self) -> bool {
        self.zero == 0.0
    }

    pub(super) fn shows(&self, at: f64) -> bool {
        (self.from..=self.to).contains(&at)
    }

    /// Returns the position of a period, clipped to the window; `None` if it is outside.
    pub(super) fn clip(&self, from: f64, to: f64) -> Option<(f64, f64)> {
        (from <= self.to && to >= self.from && from <= to)
            .then(|| (self.x(from.max(self.from)), self.x(to.min(self.to))))
    }

    /// Returns the numbers on the axis and their positions.
    fn ticks(&self) -> Vec<(f64, String)> {
        let step = round_step((self.to - self.from) / self.layout.steps).max(1e-3);
        let (unit, name) = match self.to - self.from {
            span if span >= 1e3 => (1e3, "s"),
            span if span >= 1.0 => (1.0, "ms"),
            _ => (1e-3, "µs"),
        };
        let decimals = (-(step / unit).log10().floor()).max(0.0) as usize;
        let first = ((self.from - self.zero) / step).ceil() as i64;
        let last = ((self.to - self.zero) / step).floor() as i64;
        let tick = |number: i64| {
            let time = number as f64 * step;
            let value = format!("{:.decimals$}", time / unit).replace('-', "−");
            (self.x(self.zero + time), format!("{value} {name}"))
        };
        (first..=last).map(tick).collect()
    }

    /// Writes the numbers, at the top of a picture.
    pub(super) fn numbers(&self, picture: &mut Picture) {
        for (x, text) in self.ticks() {
            // The last number may not be cut off.
            let x = x.min(self.layout.width - width_of(&text) / 2.0 - 4.0);
            picture.text("number", [x, picture.y + 12.0], Anchor::Middle, &text);
        }
        picture.y += 18.0;
    }

    /// Draws lines from `top` to the current height.
    pub(super) fn grid(&self, picture: &mut Picture, top: f64) {
        for (x, _) in self.ticks() {
            picture.line_under("grid", x, top);
        }
    }
}
