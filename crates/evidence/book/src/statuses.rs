//! The drawing of which status follows which, out of the engine's table.

use engine::Direction;
use engine::transitions::{Here, transitions};

use crate::drawing::{Edge, Node, Tip, svg as draw, wrapped};

/// Letters of a line of words on an arrow.
const LINE: usize = 18;

/// Why a status is entered: the words on an arrow.
#[derive(PartialEq)]
struct Reason {
    to: usize,
    when: &'static str,
    /// Whether QEMU has no such transition.
    ours: bool,
}

/// The transitions that the engine makes. Those for the same reason to the same status share
/// their words and the last part of the arrow.
pub(crate) fn svg(direction: Direction) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut reasons: Vec<Reason> = Vec::new();
    let mut begun: Vec<(usize, usize)> = Vec::new();
    for row in transitions(direction) {
        let ours = match row.here {
            Here::Same => false,
            Here::Ours(_) => true,
            Here::Not(_) => continue,
        };
        let [from, to] = [row.from, row.to].map(|name| index_of(&mut names, name));
        let reason = index_of(&mut reasons, Reason { to, when: row.when, ours });
        begun.push((from, reason));
    }

    let named = |name: &&str| Node::Named { name: (*name).to_owned(), words: Vec::new() };
    let words = |one: &Reason| Node::Words { words: wrapped(one.when, LINE), ours: one.ours };
    let nodes: Vec<Node> = names.iter().map(named).chain(reasons.iter().map(words)).collect();
    let at = |reason: usize| names.len() + reason;
    let to_words = begun.iter().map(|&(from, reason)| Edge {
        from,
        to: at(reason),
        tip: Tip::None,
        ours: reasons[reason].ours,
    });
    let from_words = reasons.iter().enumerate().map(|(reason, one)| Edge {
        from: at(reason),
        to: one.to,
        tip: Tip::To,
        ours: one.ours,
    });
    let edges: Vec<Edge> = to_words.chain(from_words).collect();
    let label = match direction {
        Direction::Outgoing => "Statuses of an outgoing migration",
        Direction::Incoming => "Statuses of an incoming migration",
    };
    draw(label, &nodes, &edges)
}

/// Where a thing is among others; one that is not there comes last.
fn index_of<T: PartialEq>(among: &mut Vec<T>, one: T) -> usize {
    among.iter().position(|other| *other == one).unwrap_or_else(|| {
        among.push(one);
        among.len() - 1
    })
}
