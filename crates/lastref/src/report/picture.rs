//! An SVG that grows downwards. Colours and letters are the style sheet's: each shape has a class.

use std::fmt::{Display, Write};

use super::html::Text;

/// Its width, in the units of its shapes. Shown as wide, a unit is a pixel.
pub(super) const WIDTH: f64 = 1160.0;

/// The width of a letter that is safe to reckon with, whatever font there is.
const LETTER: f64 = 7.2;

/// How wide a text is at most.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

/// Which side of a text is at the place where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Debug, Default)]
pub(super) struct Picture {
    /// What everything else is drawn over.
    under: String,
    body: String,
    /// Where the next shape goes.
    pub(super) y: f64,
}

impl Picture {
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

    /// A rectangle that says `about` itself where somebody points at it.
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

    /// A line behind everything, down to where the picture is now.
    pub(super) fn line_under(&mut self, class: &str, x: f64, from: f64) {
        let line = Self::line_of(class, [x, from], [x, self.y]);
        Self::add(&mut self.under, line);
    }

    /// A band behind everything, down to where the picture is now.
    pub(super) fn band_under(&mut self, class: &str, from_x: f64, to_x: f64, from: f64) {
        Self::add(
            &mut self.under,
            format_args!(
                r#"<rect class="{class}" x="{from_x:.2}" y="{from:.1}" width="{:.2}" height="{:.1}"/>"#,
                (to_x - from_x).max(1.0),
                self.y - from
            ),
        );
    }

    /// The picture in its own box, which scrolls where it is wider than the page. `id` is its
    /// own on the page; `about` is for who cannot see it.
    pub(super) fn finish(self, id: &str, title: &str, about: &str) -> String {
        let (title, about, height) = (Text(title), Text(about), self.y.ceil());
        format!(
            "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"{title}\">\n\
             <svg id=\"{id}\" role=\"img\" aria-labelledby=\"{id}-title {id}-about\" \
             viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
             <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-about\">{about}</desc>\n\
             {}{}</svg>\n</div>\n",
            self.under, self.body
        )
    }
}
