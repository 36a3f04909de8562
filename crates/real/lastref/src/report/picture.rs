//! An SVG that grows downwards. The style sheet has the colours and fonts; each shape has a class.

use std::fmt::{Display, Write};

use super::html::Text;
use super::layout::Layout;

/// A safe upper estimate of the width of a letter, in any font.
const LETTER: f64 = 7.2;

/// Returns the maximum width of a text.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

/// The part of a text that is at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Debug)]
pub(super) struct Picture {
    pub(super) layout: Layout,
    /// Shapes behind everything else.
    under: String,
    body: String,
    /// Vertical ranges with texts that no band may be behind.
    clear: Vec<(f64, f64)>,
    /// Height of the next shape.
    pub(super) y: f64,
}

impl Picture {
    pub(super) fn new(layout: Layout) -> Self {
        let (under, body) = (String::new(), String::new());
        Picture { layout, under, body, clear: Vec::new(), y: 0.0 }
    }

    /// Keeps bands away from what was drawn since the picture was at `from`.
    pub(super) fn keep_clear(&mut self, from: f64) {
        self.clear.push((from, self.y));
    }

    fn add(into: &mut String, shape: impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(into, "{shape}");
    }

    pub(super) fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        Self::add(
            &mut self.body,
            format_args!(
                r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
                Text(text)
            ),
        );
    }

    /// Writes a name at the height `y`, left of the axis.
    pub(super) fn name(&mut self, y: f64, text: &str) {
        self.text("name", [self.layout.left - 8.0, y], Anchor::End, text);
    }

    /// Draws a rectangle that shows `about` as its tooltip.
    pub(super) fn rectangle(&mut self, class: &str, [x, y, width, height]: [f64; 4], about: &str) {
        Self::add(
            &mut self.body,
            format_args!(
                r#"<rect class="{class}" x="{x:.2}" y="{y:.1}" width="{width:.2}" height="{height:.1}"><title>{}</title></rect>"#,
                Text(about)
            ),
        );
    }

    pub(super) fn circle(&mut self, class: &str, [x, y]: [f64; 2], radius: f64, about: &str) {
        Self::add(
            &mut self.body,
            format_args!(
                r#"<circle class="{class}" cx="{x:.2}" cy="{y:.1}" r="{radius}"><title>{}</title></circle>"#,
                Text(about)
            ),
        );
    }

    pub(super) fn line(&mut self, class: &str, from: [f64; 2], to: [f64; 2]) {
        Self::add(&mut self.body, Self::line_of(class, from, to));
    }

    fn line_of(class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) -> String {
        format!(r#"<line class="{class}" x1="{x1:.2}" y1="{y1:.1}" x2="{x2:.2}" y2="{y2:.1}"/>"#)
    }

    pub(super) fn path(&mut self, class: &str, path: &str) {
        Self::add(&mut self.body, format_args!(r#"<path class="{class}" d="{path}"/>"#));
    }

    /// Draws a line behind everything, down to the current height.
    pub(super) fn line_under(&mut self, class: &str, x: f64, from: f64) {
        let line = Self::line_of(class, [x, from], [x, self.y]);
        Self::add(&mut self.under, line);
    }

    /// Draws a band behind everything, down to the current height, except behind texts.
    pub(super) fn band_under(&mut self, class: &str, from_x: f64, to_x: f64, from: f64) {
        let wide = (to_x - from_x).max(1.0);
        let mut top = from;
        for (clear, after) in self.clear.iter().copied().chain([(self.y, self.y)]) {
            if clear > top {
                let high = clear - top;
                Self::add(
                    &mut self.under,
                    format_args!(
                        r#"<rect class="{class}" x="{from_x:.2}" y="{top:.1}" width="{wide:.2}" height="{high:.1}"/>"#
                    ),
                );
            }
            top = top.max(after);
        }
    }

    /// Returns the picture for the page. `id` and the layout's class must be unique there; `about`
    /// describes the picture for screen readers.
    pub(super) fn finish(self, id: &str, title: &str, about: &str) -> String {
        let (title, about, height) = (Text(title), Text(about), self.y.ceil());
        let Layout { class, width, .. } = self.layout;
        format!(
            "<svg class=\"{class}\" id=\"{id}-{class}\" role=\"img\" \
             aria-labelledby=\"{id}-{class}-title {id}-{class}-about\" \
             viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
             <title id=\"{id}-{class}-title\">{title}</title>\n\
             <desc id=\"{id}-{class}-about\">{about}</desc>\n\
             {}{}</svg>\n",
            self.under, self.body
        )
    }
}
