//! A graph as an SVG that reads in light and dark: boxes, arrows, and words on the arrows.

use std::fmt::Write as _;

use crate::layered::{Placed, place};

/// Space around everything, and above and below a line of text in a box.
const MARGIN: f64 = 16.0;
const PADDING: f64 = 9.0;
/// Between two layers.
const BETWEEN: f64 = 36.0;
/// How long a tip is; there a line is straight.
const TIP: f64 = 8.0;
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
    let sheet = Sheet::new(nodes, edges);
    let (wide, high) = sheet.size();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {high:.0}\" \
         width=\"{wide:.0}\" height=\"{high:.0}\" role=\"img\" aria-label=\"{}\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"back\" x=\".5\" y=\".5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>\n",
        escaped(label),
        wide - 1.0,
        high - 1.0
    );
    (0..edges.len()).for_each(|edge| sheet.draw_edge(&mut out, edge));
    (0..nodes.len()).for_each(|node| sheet.draw_node(&mut out, node));
    out.push_str("</svg>\n");
    out
}

/// The graph, and where its parts are.
struct Sheet<'a> {
    nodes: &'a [Node],
    edges: &'a [Edge],
    placed: Placed,
    /// Where each layer begins, and how high it is: as its highest node.
    layers: Vec<(f64, f64)>,
}

impl<'a> Sheet<'a> {
    fn new(nodes: &'a [Node], edges: &'a [Edge]) -> Self {
        let widths: Vec<f64> = nodes.iter().map(Node::width).collect();
        let pairs: Vec<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
        let mut placed = place(&widths, &pairs);
        placed.x.iter_mut().for_each(|x| *x += MARGIN);
        placed.ways.iter_mut().flat_map(|way| &mut way.lanes).for_each(|lane| *lane += MARGIN);

        let mut layers = Vec::new();
        let mut top = MARGIN;
        for layer in 0..placed.layer.iter().max().map_or(0, |last| last + 1) {
            let in_layer = nodes.iter().zip(&placed.layer).filter(|(_, of)| **of == layer);
            let height = in_layer.map(|(node, _)| node.height()).fold(0.0, f64::max);
            layers.push((top, height));
            top += height + BETWEEN;
        }
        Sheet { nodes, edges, placed, layers }
    }

    fn size(&self) -> (f64, f64) {
        let right = |(x, node): (&f64, &Node)| x + node.width() / 2.0;
        let nodes = self.placed.x.iter().zip(self.nodes).map(right);
        let lanes = self.placed.ways.iter().flat_map(|way| way.lanes.iter().copied());
        let wide = nodes.chain(lanes).fold(0.0, f64::max);
        let high = self.layers.last().map_or(0.0, |(top, height)| top + height);
        (wide + MARGIN, high + MARGIN)
    }

    /// Top and bottom of a node: in the middle of its layer.
    fn ends(&self, node: usize) -> (f64, f64) {
        let (top, height) = self.layers[self.placed.layer[node]];
        let middle = top + height / 2.0;
        let half = self.nodes[node].height() / 2.0;
        (middle - half, middle + half)
    }

    /// The nodes above and below an edge.
    fn above_and_below(&self, edge: usize) -> (usize, usize) {
        let Edge { from, to, .. } = self.edges[edge];
        if self.placed.ways[edge].upward { (to, from) } else { (from, to) }
    }

    /// Where an edge leaves the node above it, and where it comes to the one below. Edges of a box
    /// are side by side there, in the order of where they lead; those of words meet in the middle.
    fn ports(&self, edge: usize) -> (f64, f64) {
        let Placed { x, ways, .. } = &self.placed;
        let (above, below) = self.above_and_below(edge);
        let port = |node: usize, is_here: &dyn Fn(usize) -> bool, other: &dyn Fn(usize) -> f64| {
            if matches!(self.nodes[node], Node::Words { .. }) {
                return x[node];
            }
            let mut here: Vec<usize> = (0..ways.len()).filter(|edge| is_here(*edge)).collect();
            here.sort_by(|a, b| other(*a).total_cmp(&other(*b)));
            let index = here.iter().position(|other| *other == edge).unwrap_or(0);
            let share = (index + 1) as f64 / (here.len() + 1) as f64;
            x[node] + (share - 0.5) * self.nodes[node].width()
        };
        let next_below = |edge: usize| {
            ways[edge].lanes.first().copied().unwrap_or(x[self.above_and_below(edge).1])
        };
        let next_above = |edge: usize| {
            ways[edge].lanes.last().copied().unwrap_or(x[self.above_and_below(edge).0])
        };
        (
            port(above, &|edge| self.above_and_below(edge).0 == above, &next_below),
            port(below, &|edge| self.above_and_below(edge).1 == below, &next_above),
        )
    }

    /// Straight through each layer, and between two of them over to the next lane.
    fn draw_edge(&self, out: &mut String, edge: usize) {
        let Edge { tip, ours, .. } = self.edges[edge];
        let class = if ours { "ours" } else { "" };
        let (above, below) = self.above_and_below(edge);
        let (start, end) = self.ports(edge);
        let (head, foot) = (self.ends(above).1, self.ends(below).0);
        let has_tip = |at| tip != Tip::None && (tip == at) != self.placed.ways[edge].upward;
        let (tip_above, tip_below) = (has_tip(Tip::From), has_tip(Tip::To));

        let mut path = format!("M{start:.1} {:.1}", if tip_above { head + TIP } else { head });
        let mut at = start;
        let lanes = self.placed.ways[edge].lanes.iter().copied().chain([end]);
        for (lane, (top, _)) in lanes.zip(&self.layers[self.placed.layer[above] + 1..]) {
            let (from, to) = (top - BETWEEN + TIP, top - TIP);
            let middle = f64::midpoint(from, to);
            let _ = write!(
                path,
                "V{from:.1}C{at:.1} {middle:.1} {lane:.1} {middle:.1} {lane:.1} {to:.1}"
            );
            at = lane;
        }
        let _ = write!(path, "V{:.1}", if tip_below { foot - TIP } else { foot });
        let _ = writeln!(out, "<path class=\"line {class}\" d=\"{path}\"/>");
        let mut point = |x: f64, y: f64, length: f64| {
            let _ =
                writeln!(out, "<path class=\"tip {class}\" d=\"M{x:.1} {y:.1}l-4 {length}h8z\"/>");
        };
        if tip_above {
            point(start, head, TIP);
        }
        if tip_below {
            point(end, foot, -TIP);
        }
    }

    fn draw_node(&self, out: &mut String, node: usize) {
        let middle = self.placed.x[node];
        let (top, bottom) = self.ends(node);
        let shape = &self.nodes[node];
        if matches!(shape, Node::Named { .. }) {
            let width = shape.width();
            let left = middle - width / 2.0;
            let height = bottom - top;
            let _ = writeln!(
                out,
                "<rect class=\"box\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                 height=\"{height:.1}\" rx=\"5\"/>"
            );
        }
        let mut lines = |from: f64, class: &str, words: &[String]| {
            for (number, words) in words.iter().enumerate() {
                let y = from + (number as f64 + 0.75) * LINE;
                let words = escaped(words);
                let _ = writeln!(
                    out,
                    "<text class=\"{class}\" x=\"{middle:.1}\" y=\"{y:.1}\">{words}</text>"
                );
            }
        };
        match shape {
            Node::Words { words, ours } => {
                lines(top + 2.0, if *ours { "ours" } else { "" }, words);
            }
            Node::Named { name, words } => {
                lines(top + PADDING, "name", std::slice::from_ref(name));
                lines(top + PADDING + LINE, "", words);
            }
        }
    }
}

/// Text as XML and HTML have it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
