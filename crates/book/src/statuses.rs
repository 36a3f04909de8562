//! The drawing of which status follows which, out of the engine's table.

use engine::Direction;
use engine::transitions::{Here, transitions};

use crate::drawing::{Edge, Node, Tip, svg as draw, wrapped};

/// Letters of a line of words on an arrow.
const LINE: usize = 18;

/// The transitions that the engine makes. Those for the same reason to the same status share
/// their words and the last part of the arrow.
pub(crate) fn svg(direction: Direction) -> String {
    let mut nodes: Vec<Node> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut reasons: Vec<(&str, &str, bool, usize)> = Vec::new();
    let mut edges = Vec::new();
    for row in transitions(direction) {
        let ours = match row.here {
            Here::Same => false,
            Here::Ours(_) => true,
            Here::Not(_) => continue,
        };
        let [from, to] = [row.from, row.to].map(|name| {
            names.iter().position(|other| *other == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        });
        let shared = reasons
            .iter()
            .position(|known| (known.0, known.1, known.2) == (row.to, row.when, ours));
        let reason = shared.unwrap_or_else(|| {
            reasons.push((row.to, row.when, ours, to));
            reasons.len() - 1
        });
        edges.push((from, reason, ours));
    }
    let named = |name: &&str| Node::Named { name: (*name).to_owned(), words: Vec::new() };
    nodes.extend(names.iter().map(named));
    let words = |reason: &(&str, &str, bool, usize)| Node::Words {
        words: wrapped(reason.1, LINE),
        ours: reason.2,
    };
    nodes.extend(reasons.iter().map(words));
    let to_words = edges.iter().map(|&(from, reason, ours)| Edge {
        from,
        to: names.len() + reason,
        tip: Tip::None,
        ours,
    });
    let from_words = reasons.iter().enumerate().map(|(reason, &(.., ours, to))| Edge {
        from: names.len() + reason,
        to,
        tip: Tip::To,
        ours,
    });
    let lines: Vec<Edge> = to_words.chain(from_words).collect();
    draw(&format!("Statuses, {}", direction_name(direction)), &nodes, &lines)
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Outgoing => "outgoing",
        Direction::Incoming => "incoming",
    }
}
