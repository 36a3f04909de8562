//! Boxes, words and arrows as an SVG that reads in light and dark.

use std::fmt::Write as _;

/// Height of a line of text.
pub(crate) const LINE: i32 = 16;
/// Space above and below the text of a box.
pub(crate) const PADDING: i32 = 9;

/// Colours that keep their contrast on both backgrounds.
const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#26292e;text-anchor:middle}\
.name{font-size:13px;font-weight:600}\
.heading{font-size:14px;font-weight:700;letter-spacing:.06em}\
.heading,.about{text-anchor:start}\
.gap{fill:#f6f8fa}\
.back{fill:#f6f8fa;stroke:#d5d9de}\
.core{fill:#fdf6e3;stroke:#cbb26a}.real{fill:#eef3ea;stroke:#9db08c}.evidence{fill:#e9f0fb;stroke:#8fa9d3}\
.box{fill:#fff;stroke:#59636e;stroke-width:1.2}\
.line{fill:none;stroke:#59636e;stroke-width:1.4;marker-end:url(#tip)}#tip path{fill:#59636e}\
.line.ours{stroke:#c2571a;stroke-dasharray:5 3;marker-end:url(#tip-ours)}#tip-ours path{fill:#c2571a}\
text.ours{fill:#a5450f}\
@media(prefers-color-scheme:dark){\
text{fill:#dfe2e7}.gap{fill:#1d2025}.back{fill:#1d2025;stroke:#3a3f47}\
.core{fill:#2c2818;stroke:#6e6238}.real{fill:#20281d;stroke:#54664a}.evidence{fill:#1b2533;stroke:#475d7e}\
.box{fill:#2a2e35;stroke:#8d98a8}\
.line{stroke:#a3adba}#tip path{fill:#a3adba}\
.line.ours{stroke:#e8935c}#tip-ours path{fill:#e8935c}text.ours{fill:#f0a878}}";

/// A drawing that grows by one shape at a time. What is drawn later covers what is there.
pub(crate) struct Svg {
    text: String,
}

impl Svg {
    /// Begins a drawing of this size, with a label for those who do not see it.
    pub(crate) fn new(label: &str, wide: i32, high: i32) -> Self {
        let tip = |id: &str| {
            format!(
                "<marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
                 markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">\
                 <path d=\"M0 0 8 4 0 8z\"/></marker>"
            )
        };
        Svg {
            text: format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" \
                 width=\"{wide}\" height=\"{high}\" role=\"img\" aria-label=\"{}\">\n\
                 <style>{STYLE}</style>\n<defs>{}{}</defs>\n\
                 <rect class=\"back\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
                escaped(label),
                tip("tip"),
                tip("tip-ours"),
                wide - 1,
                high - 1
            ),
        }
    }

    /// Draws a rectangle by its left, top, width and height.
    pub(crate) fn rect(&mut self, class: &str, [x, y, wide, high]: [i32; 4]) {
        let _ = writeln!(
            self.text,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" rx=\"6\"/>"
        );
    }

    /// Draws an arrow along a path, with its tip at the end.
    pub(crate) fn arrow(&mut self, class: &str, path: &str) {
        let _ = writeln!(self.text, "<path class=\"line {class}\" d=\"{path}\"/>");
    }

    /// Writes lines of text from `top` down.
    pub(crate) fn lines(&mut self, class: &str, x: i32, top: i32, lines: &[String]) {
        for (line, y) in lines.iter().zip((top + LINE * 3 / 4..).step_by(LINE as usize)) {
            let line = escaped(line);
            let _ = write!(self.text, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{line}</text>");
        }
        self.text.push('\n');
    }

    /// Writes words around a middle, in a gap of what is drawn below them.
    pub(crate) fn words(&mut self, class: &str, (x, y): (i32, i32), lines: &[String]) {
        let letters = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0) as i32;
        // A letter is at most seven wide on average.
        let (wide, high) = (letters * 7 + 4, lines.len() as i32 * LINE);
        self.rect("gap", [x - wide / 2, y - high / 2, wide, high]);
        self.lines(class, x, y - high / 2, lines);
    }

    /// Returns the drawing.
    pub(crate) fn finish(self) -> String {
        self.text + "</svg>\n"
    }
}

/// Breaks text into lines of at most `width` letters, longer words excepted.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Escapes text for XML and HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
