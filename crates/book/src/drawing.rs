//! A graph as an SVG that reads in light and dark: boxes, arrows, and words on the arrows.

use std::fmt::Write as _;

use crate::layered::{Placed, place};

/// Space around everything, and above and below a line of text in a box.
const MARGIN: f64 = 16.0;
const PADDING: f64 = 9.0;
/// Between two layers.
const BETWEEN: f64 = 26.0;
/// A line of text, and how wide a letter is at most in the usual fonts.
const LINE: f64 = 16.0;
const LETTER: f64 = 7.4;
const BOLD_LETTER: f64 = 8.8;

/// Colours that keep their contrast on both backgrounds.
const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;fill:#26292e;text-anchor:middle}\
.name{font-size:13px;font-weight:600}\
.back{fill:#fbfaf7;stroke:#d9d6ce}\
.box{fill:#fff;stroke:#717c8c;stroke-width:1.2}\
.line{fill:none;stroke:#717c8c;stroke-width:1.3}.tip{fill:#717c8c}\
.ours .line,.line.ours{stroke:#c2571a;stroke-dasharray:5 3}.tip.ours{fill:#c2571a}text.ours{fill:#a5450f}\
@media(prefers-color-scheme:dark){\
text{fill:#dfe2e7}.back{fill:#1d2025;stroke:#3a3f47}.box{fill:#2a2e35;stroke:#8d98a8}\
.line{stroke:#8d98a8}.tip{fill:#8d98a8}\
.ours .line,.line.ours{stroke:#e8935c}.tip.ours{fill:#e8935c}text.ours{fill:#f0a878}}";

/// What stands at a place of the graph.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A box with a name, and words below it.
    Named {
        /// The name.
        name: String,
        /// The words, line by line.
        words: Vec<String>,
    },
    /// Words on an arrow, line by line.
    Words {
        /// The lines.
        words: Vec<String>,
        /// Whether they are told apart by their colour.
        ours: bool,
    },
}

/// A line from one node to another.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// Where it begins.
    pub(crate) from: usize,
    /// Where it ends.
    pub(crate) to: usize,
    /// Whether it ends with a tip there; a line to words does not.
    pub(crate) tip: Tip,
    /// Whether it is told apart by its colour.
    pub(crate) ours: bool,
}

/// Which end of a line has a tip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tip {
    /// None.
    None,
    /// Where it begins.
    From,
    /// Where it ends.
    To,
}

impl Node {
    fn lines(&self) -> usize {
        match self {
            Node::Named { words, .. } => 1 + words.len(),
            Node::Words { words, .. } => words.len(),
        }
    }

    fn width(&self) -> f64 {
        let widest = |words: &[String]| {
            words.iter().map(|line| line.chars().count()).max().unwrap_or(0) as f64 * LETTER
        };
        match self {
            Node::Named { name, words } => {
                (name.chars().count() as f64 * BOLD_LETTER).max(widest(words)) + 2.0 * PADDING
            }
            Node::Words { words, .. } => widest(words),
        }
    }

    fn height(&self) -> f64 {
        let padding = if matches!(self, Node::Named { .. }) { 2.0 * PADDING } else { 4.0 };
        self.lines() as f64 * LINE + padding
    }
}

/// Text in lines of at most `width` letters, longer words excepted.
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

/// The graph as an SVG, with a label for those who do not see it.
pub(crate) fn svg(label: &str, nodes: &[Node], edges: &[Edge]) -> String {
    let widths: Vec<f64> = nodes.iter().map(Node::width).collect();
    let pairs: Vec<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let Placed { x, layer, ways } = place(&widths, &pairs);
    let x: Vec<f64> = x.iter().map(|x| x + MARGIN).collect();

    // Each layer is as high as its highest node.
    let layers = layer.iter().max().map_or(0, |last| last + 1);
    let mut heights = vec![0.0_f64; layers];
    for (node, layer) in nodes.iter().zip(&layer) {
        heights[*layer] = heights[*layer].max(node.height());
    }
    let mut tops = Vec::new();
    let mut y = MARGIN;
    for height in &heights {
        tops.push(y);
        y += height + BETWEEN;
    }
    let high = y - BETWEEN + MARGIN;
    let right = |lane: &f64| lane + MARGIN;
    let rightmost = x.iter().zip(&widths).map(|(x, width)| x + width / 2.0);
    let lanes = ways.iter().flat_map(|way| way.lanes.iter().map(right));
    let wide = rightmost.chain(lanes).fold(0.0, f64::max) + MARGIN;

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {high:.0}\" width=\"{wide:.0}\" height=\"{high:.0}\" \
         role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n<rect class=\"back\" x=\".5\" y=\".5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>\n",
        escaped(label),
        wide - 1.0,
        high - 1.0
    );

    // Lines that meet at a box come to it side by side, in the order of where they come from.
    let above = |edge: usize| if ways[edge].upward { edges[edge].to } else { edges[edge].from };
    let below = |edge: usize| if ways[edge].upward { edges[edge].from } else { edges[edge].to };
    let port =
        |node: usize, edge: usize, side: &dyn Fn(usize) -> usize, next: &dyn Fn(usize) -> f64| {
            if matches!(nodes[node], Node::Words { .. }) {
                return x[node];
            }
            let mut here: Vec<usize> =
                (0..edges.len()).filter(|edge| side(*edge) == node).collect();
            here.sort_by(|a, b| next(*a).total_cmp(&next(*b)));
            let index = here.iter().position(|other| *other == edge).unwrap_or(0);
            let part = (index + 1) as f64 / (here.len() + 1) as f64;
            x[node] + (part - 0.5) * widths[node]
        };
    let first_below = |edge: usize| ways[edge].lanes.first().map_or(x[below(edge)], right);
    let last_above = |edge: usize| ways[edge].lanes.last().map_or(x[above(edge)], right);

    for (index, edge) in edges.iter().enumerate() {
        let (upper, lower) = (above(index), below(index));
        let start = port(upper, index, &above, &first_below);
        let end = port(lower, index, &below, &last_above);
        let from = layer[upper];
        let tip_below = edge.tip != Tip::None && (edge.tip == Tip::To) != ways[index].upward;
        let tip_above = edge.tip != Tip::None && !tip_below;
        let inside = |node: usize| (heights[layer[node]] - nodes[node].height()) / 2.0;
        let mut at = (start, tops[from] + heights[from] - inside(upper));
        let class = if edge.ours { "ours" } else { "" };
        if tip_above {
            at.1 += tip(&mut out, class, at, 8.0);
        }
        let mut path = format!("M{:.1} {:.1}", at.0, at.1);
        let lanes = ways[index].lanes.iter().map(right);
        for (step, lane) in lanes.chain([end]).enumerate() {
            let row = from + step + 1;
            // Straight to the end of the layer above, then over to the next.
            let (up, mut down) = (tops[row] - BETWEEN, tops[row]);
            let last = row == layer[lower];
            if last && tip_below {
                down -= if inside(lower) > 8.0 { 0.0 } else { 8.0 };
            }
            let middle = f64::midpoint(up, down);
            let _ = write!(
                path,
                "V{up:.1}C{:.1} {middle:.1} {lane:.1} {middle:.1} {lane:.1} {down:.1}",
                at.0
            );
            at = (lane, down);
            if !last {
                at.1 += heights[row];
                let _ = write!(path, "V{:.1}", at.1);
            }
        }
        let foot = tops[layer[lower]] + inside(lower);
        if tip_below {
            let _ = write!(path, "V{:.1}", foot - 8.0);
            tip(&mut out, class, (end, foot), -8.0);
        } else {
            let _ = write!(path, "V{foot:.1}");
        }
        let _ = writeln!(out, "<path class=\"line {class}\" d=\"{path}\"/>");
    }

    for (index, node) in nodes.iter().enumerate() {
        let (height, width) = (node.height(), widths[index]);
        let top = tops[layer[index]] + (heights[layer[index]] - height) / 2.0;
        let middle = x[index];
        let base = |number: usize, padding: f64| top + padding + (number as f64 + 0.75) * LINE;
        match node {
            Node::Named { name, words } => {
                let left = middle - width / 2.0;
                let _ = writeln!(
                    out,
                    "<rect class=\"box\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\"/>"
                );
                line(&mut out, "name", (middle, base(0, PADDING)), name);
                for (number, words) in words.iter().enumerate() {
                    line(&mut out, "", (middle, base(number + 1, PADDING)), words);
                }
            }
            Node::Words { words, ours } => {
                let class = if *ours { "ours" } else { "" };
                for (number, words) in words.iter().enumerate() {
                    line(&mut out, class, (middle, base(number, 2.0)), words);
                }
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

/// Draws a tip at a place, pointing away from where its line comes, and says how long it is.
fn tip(out: &mut String, class: &str, (x, y): (f64, f64), length: f64) -> f64 {
    let _ = writeln!(out, "<path class=\"tip {class}\" d=\"M{x:.1} {y:.1}l-4 {length:.1}h8z\"/>");
    length
}

fn line(out: &mut String, class: &str, (x, y): (f64, f64), text: &str) {
    let text = escaped(text);
    let _ = writeln!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}

/// Text as XML and HTML have it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
