//! Names of moments, in rows, so that none overlaps another name or its line.

use super::layout::Layout;
use super::picture::{Anchor, Picture, width_of};
use super::wrap;

const ROW: f64 = 16.0;
/// Distance between a moment's line and its name, and between two names.
const GAP: f64 = 5.0;

/// A moment with a name.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) x: f64,
    pub(super) text: String,
    pub(super) class: &'static str,
}

/// A label with its place.
#[derive(Debug)]
struct Placed {
    x: f64,
    class: &'static str,
    lines: Vec<String>,
    anchor: Anchor,
    /// Row of its first line.
    row: usize,
    from: f64,
    to: f64,
}

impl Placed {
    /// Places a label in the first row. No name is wider than half of the picture, so each fits on
    /// one side of its line.
    fn at(label: &Label, layout: &Layout) -> Self {
        let lines = wrap::lines(&label.text, layout.right / 2.0 - GAP);
        let wide = GAP + lines.iter().map(|line| width_of(line)).fold(0.0, f64::max);
        let Label { x, class, .. } = *label;
        Placed { x, class, lines, anchor: Anchor::Start, row: 0, from: x, to: x + wide }
    }

    fn wide(&self) -> f64 {
        self.to - self.from
    }

    /// Moves the label to the left of its line.
    fn before(self) -> Self {
        Placed { anchor: Anchor::End, from: self.x - self.wide(), to: self.x, ..self }
    }

    /// Returns the row below it.
    fn end(&self) -> usize {
        self.row + self.lines.len()
    }

    /// Returns whether the names do not overlap.
    fn is_beside(&self, other: &Placed) -> bool {
        let covers = other.from < self.to + GAP && self.from < other.to + GAP;
        !covers || other.end() <= self.row || self.end() <= other.row
    }

    /// Returns whether its line goes through the other's name.
    fn goes_through(&self, name: &Placed) -> bool {
        name.from < self.x && self.x < name.to && self.row < name.end()
    }

    fn is_clear_of(&self, other: &Placed) -> bool {
        self.is_beside(other) && !self.goes_through(other) && !other.goes_through(self)
    }
}

/// Labels with their places.
#[derive(Debug)]
pub(super) struct Labels(Vec<Placed>);

impl Labels {
    pub(super) fn place(mut labels: Vec<Label>, layout: &Layout) -> Self {
        labels.sort_by(|a, b| a.x.total_cmp(&b.x));
        // A name that does not fit to the right of its line goes to the left, and so do the names
        // whose lines would go through it.
        let (mut right, mut left) = (Vec::new(), Vec::new());
        let mut covered = f64::INFINITY;
        for label in labels.iter().rev() {
            let one = Placed::at(label, layout);
            if one.to > layout.right || one.x >= covered && one.x >= one.wide() {
                let one = one.before();
                covered = covered.min(one.from);
                left.push(one);
            } else {
                right.push(one);
            }
        }
        // From left to right, and then from right to left: lines go down beside the names below.
        let mut placed: Vec<Placed> = Vec::new();
        for mut one in right.into_iter().rev().chain(left) {
            let below = placed.iter().map(Placed::end).max().unwrap_or(0);
            // Below all others its own line is clear of them. In a narrow picture one of their
            // lines may have to go through it.
            while one.row < below && !placed.iter().all(|other| one.is_clear_of(other)) {
                one.row += 1;
            }
            placed.push(one);
        }
        Labels(placed)
    }

    /// Writes the names, and returns where their lines begin.
    pub(super) fn draw(&self, picture: &mut Picture) -> Vec<(f64, f64)> {
        let top = picture.y;
        let mut begins = Vec::new();
        for Placed { x, class, lines, anchor, row, .. } in &self.0 {
            let top = top + *row as f64 * ROW;
            let beside = if *anchor == Anchor::Start { GAP } else { -GAP };
            for (at, line) in lines.iter().enumerate() {
                let y = top + at as f64 * ROW + 12.0;
                picture.text(class, [x + beside, y], *anchor, line);
            }
            begins.push((*x, top + 2.0));
        }
        let rows = self.0.iter().map(Placed::end).max().unwrap_or(0);
        picture.y += rows as f64 * ROW + if rows == 0 { 0.0 } else { 4.0 };
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::layout::BOTH;

    fn label(x: f64, text: &str) -> Label {
        Label { x, text: text.into(), class: "moment" }
    }

    #[test]
    fn no_name_lies_on_another_or_on_its_line_or_leaves_the_picture() {
        for layout in BOTH {
            let end = layout.right;
            let begin = layout.left;
            for labels in [
                vec![
                    label(begin + 60.0, "the first"),
                    label(begin + 61.0, "the second"),
                    label(begin + 90.0, "the third"),
                ],
                vec![
                    label(end - 20.0, "the first"),
                    label(end - 10.0, "the second"),
                    label(end, "x"),
                ],
                vec![label(end - 20.0, "the first"), label(end, "a second that is quite long")],
                vec![label(begin + 20.0, "far"), label(end - 20.0, "away")],
                vec![
                    label(begin, "the machine stops"),
                    label(end - 60.0, "last byte sent"),
                    label(end - 40.0, "starts at the destination, 17.1\u{a0}ms later"),
                ],
            ] {
                let Labels(placed) = Labels::place(labels, &layout);
                for (at, one) in placed.iter().enumerate() {
                    assert!(one.from >= 0.0 && one.to <= end, "{one:?}");
                    for other in &placed[..at] {
                        let covers = one.from < other.to && other.from < one.to;
                        let apart = one.end() <= other.row || other.end() <= one.row;
                        assert!(apart || !covers, "{one:?} on {other:?}");
                        for (name, line) in [(one, other), (other, one)] {
                            assert!(!line.goes_through(name), "{line:?} through {name:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn names_of_a_narrow_picture_never_lie_on_each_other() {
        let [_, narrow] = BOTH;
        let (from, to) = (narrow.left as usize, narrow.right as usize);
        for first in (from..to).step_by(7) {
            for second in (from..to).step_by(7) {
                let text = "last count dropped by mig/src/main, 53.6\u{a0}µs later";
                let labels = vec![label(first as f64, text), label(second as f64, text)];
                let Labels(placed) = Labels::place(labels, &narrow);
                assert!(placed[0].is_beside(&placed[1]), "{placed:?}");
            }
        }
    }

    #[test]
    fn names_that_are_far_from_each_other_share_a_row() {
        let [wide, _] = BOTH;
        let labels = vec![label(400.0, "far"), label(900.0, "away")];
        let Labels(placed) = Labels::place(labels, &wide);
        assert!(placed.iter().all(|placed| placed.row == 0), "{placed:?}");
    }
}
