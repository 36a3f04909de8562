//! Names of moments, in rows, so that none lies on another or on another's line.

use super::axis::RIGHT;
use super::picture::{Anchor, Picture, width_of};

const ROW: f64 = 16.0;
/// Between a moment's line and its name, and between two names.
const GAP: f64 = 5.0;

/// A moment with a name.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) x: f64,
    pub(super) text: String,
    pub(super) class: &'static str,
}

/// A label that has its place.
#[derive(Debug)]
struct Placed {
    label: Label,
    anchor: Anchor,
    row: usize,
    from: f64,
    to: f64,
}

impl Placed {
    /// In the first row.
    fn at(label: Label, anchor: Anchor) -> Self {
        let wide = GAP + width_of(&label.text);
        let (from, to) = match anchor {
            Anchor::End => (label.x - wide, label.x),
            Anchor::Start | Anchor::Middle => (label.x, label.x + wide),
        };
        Placed { label, anchor, row: 0, from, to }
    }

    /// Whether neither name lies on the other nor on the other's line, with this one in `row`.
    fn is_clear_of(&self, row: usize, other: &Placed) -> bool {
        let through =
            |name: &Placed, line: &Placed| name.from < line.label.x && line.label.x < name.to;
        let covers = other.from < self.to + GAP && self.from < other.to + GAP;
        !(covers && other.row == row
            || through(self, other) && other.row < row
            || through(other, self) && row < other.row)
    }
}

/// Labels that have their places.
#[derive(Debug)]
pub(super) struct Labels(Vec<Placed>);

impl Labels {
    pub(super) fn place(mut labels: Vec<Label>) -> Self {
        labels.sort_by(|a, b| a.x.total_cmp(&b.x));
        // Where there is no room to the right of its line, a name is to the left, and so are
        // those whose lines would go through it.
        let (mut right, mut left) = (Vec::new(), Vec::new());
        let mut covered = f64::INFINITY;
        for label in labels.into_iter().rev() {
            let wide = GAP + width_of(&label.text);
            if label.x + wide > RIGHT || label.x >= covered && label.x >= wide {
                covered = covered.min(label.x - wide);
                left.push(Placed::at(label, Anchor::End));
            } else {
                right.push(Placed::at(label, Anchor::Start));
            }
        }
        // From left to right, and then from right to left: lines go down beside the names below.
        let mut placed: Vec<Placed> = Vec::new();
        for one in right.into_iter().rev().chain(left) {
            let free = |row: &usize| placed.iter().all(|other| one.is_clear_of(*row, other));
            let row = (0..=placed.len()).find(free).unwrap_or(placed.len());
            placed.push(Placed { row, ..one });
        }
        Labels(placed)
    }

    /// Writes the names, and returns where their lines begin.
    pub(super) fn draw(&self, picture: &mut Picture) -> Vec<(f64, f64)> {
        let mut lines = Vec::new();
        for Placed { label, anchor, row, .. } in &self.0 {
            let top = picture.y + *row as f64 * ROW;
            let beside = if *anchor == Anchor::Start { GAP } else { -GAP };
            picture.text(label.class, [label.x + beside, top + 12.0], *anchor, &label.text);
            lines.push((label.x, top + 2.0));
        }
        let rows = self.0.iter().map(|placed| placed.row + 1).max().unwrap_or(0);
        picture.y += rows as f64 * ROW + if rows == 0 { 0.0 } else { 4.0 };
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(x: f64, text: &str) -> Label {
        Label { x, text: text.into(), class: "moment" }
    }

    #[test]
    fn no_name_lies_on_another_or_on_its_line() {
        let near_the_end = RIGHT - 20.0;
        for labels in [
            vec![label(200.0, "the first"), label(201.0, "the second"), label(230.0, "the third")],
            vec![
                label(near_the_end, "the first"),
                label(RIGHT - 10.0, "the second"),
                label(RIGHT, "x"),
            ],
            vec![label(near_the_end, "the first"), label(RIGHT, "a second that is quite long")],
            vec![label(400.0, "far"), label(900.0, "away")],
        ] {
            let Labels(placed) = Labels::place(labels);
            for (at, one) in placed.iter().enumerate() {
                for other in &placed[..at] {
                    let covers = one.from < other.to && other.from < one.to;
                    assert!(one.row != other.row || !covers, "{one:?} on {other:?}");
                    for (name, line) in [(one, other), (other, one)] {
                        let crosses = name.from < line.label.x && line.label.x < name.to;
                        assert!(line.row > name.row || !crosses, "{line:?} through {name:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_that_are_far_from_each_other_share_a_row() {
        let Labels(placed) = Labels::place(vec![label(400.0, "far"), label(900.0, "away")]);
        assert!(placed.iter().all(|placed| placed.row == 0), "{placed:?}");
    }
}
