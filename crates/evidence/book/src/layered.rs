//! Places the nodes of a directed graph in layers, so that arrows go from one layer to a later
//! one and long ones have a lane of their own between the nodes that they pass.
//!
//! The method is Sugiyama's: take the cycles out, put each node below what leads to it, order
//! each layer by where its neighbours are, then pull neighbours above each other.

use std::ops::Range;

/// Space between two nodes of a layer.
const BESIDE: f64 = 18.0;
/// Width of the lane of an arrow that passes a layer.
const LANE: f64 = 8.0;
/// How much the ends of an arrow pull at each of its lanes, beside the other lanes.
const ENDS: f64 = 0.1;
/// How often layers are ordered and pulled; more changes nothing in graphs of this size.
const ROUNDS: usize = 400;

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The middle of each node, from the left.
    pub(crate) x: Vec<f64>,
    /// Each node's layer.
    pub(crate) layer: Vec<usize>,
    /// The way of each edge, from above to below, in the order of the edges.
    pub(crate) ways: Vec<Way>,
}

/// The way of an edge.
#[derive(Debug)]
pub(crate) struct Way {
    /// Whether it leads from below to above.
    pub(crate) upward: bool,
    /// The middle of the lanes, one for each layer that it passes.
    pub(crate) lanes: Vec<f64>,
}

/// A node, or the lane of an edge in one layer.
#[derive(Debug, Clone)]
struct Slot {
    width: f64,
    /// All lanes of the edge, if this is one.
    lanes: Range<usize>,
    above: Vec<usize>,
    below: Vec<usize>,
}

/// Places nodes of these widths.
pub(crate) fn place(widths: &[f64], edges: &[(usize, usize)]) -> Placed {
    let upward = closes_a_cycle(widths.len(), edges);
    let down: Vec<(usize, usize)> =
        edges.iter().zip(&upward).map(|(&(a, b), up)| if *up { (b, a) } else { (a, b) }).collect();
    let layer = layers(widths.len(), &down);

    let node = |width: &f64| Slot { width: *width, lanes: 0..0, above: vec![], below: vec![] };
    let mut slots: Vec<Slot> = widths.iter().map(node).collect();
    let mut rows = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
    for (index, layer) in layer.iter().enumerate() {
        rows[*layer].push(index);
    }
    let mut lanes = Vec::new();
    for &(from, to) in &down {
        let passed = &mut rows[layer[from] + 1..layer[to]];
        let all = slots.len()..slots.len() + passed.len();
        let mut last = from;
        for (lane, row) in all.clone().zip(passed) {
            slots.push(Slot { width: LANE, lanes: all.clone(), above: vec![last], below: vec![] });
            slots[last].below.push(lane);
            row.push(lane);
            last = lane;
        }
        slots[last].below.push(to);
        slots[to].above.push(last);
        lanes.push(all);
    }

    order(&mut rows, &slots);
    let x = pull(&rows, &slots);
    let ways = lanes
        .iter()
        .zip(upward)
        .map(|(lanes, upward)| Way { upward, lanes: x[lanes.clone()].to_vec() })
        .collect();
    Placed { x: x[..widths.len()].to_vec(), layer, ways }
}

/// Which edges lead back to a node on the way from which they come.
fn closes_a_cycle(nodes: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnTheWay,
        Done,
    }
    fn visit(node: usize, edges: &[(usize, usize)], seen: &mut [Seen], closes: &mut [bool]) {
        seen[node] = Seen::OnTheWay;
        for (index, &(from, to)) in edges.iter().enumerate() {
            if from == node {
                match seen[to] {
                    Seen::OnTheWay => closes[index] = true,
                    Seen::No => visit(to, edges, seen, closes),
                    Seen::Done => {}
                }
            }
        }
        seen[node] = Seen::Done;
    }
    let (mut seen, mut closes) = (vec![Seen::No; nodes], vec![false; edges.len()]);
    for node in 0..nodes {
        if seen[node] == Seen::No {
            visit(node, edges, &mut seen, &mut closes);
        }
    }
    closes
}

/// Each node below all that lead to it.
fn layers(nodes: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0; nodes];
    // The longest way has fewer steps than there are nodes.
    for _ in 0..nodes {
        for &(from, to) in down {
            layer[to] = layer[to].max(layer[from] + 1);
        }
    }
    layer
}

/// Orders the layers so that few edges cross, and keeps the best order met.
fn order(rows: &mut [Vec<usize>], slots: &[Slot]) {
    let mut best = rows.to_vec();
    let mut fewest = crossings(rows, slots);
    for round in 0..ROUNDS {
        let downwards = round % 2 == 0;
        let mut at = vec![0.0; slots.len()];
        let mut indices: Vec<usize> = (0..rows.len()).collect();
        if !downwards {
            indices.reverse();
        }
        for row in indices {
            let middle = |slot: usize, at: &[f64]| {
                let near = if downwards { &slots[slot].above } else { &slots[slot].below };
                mean(near.iter().map(|slot| (at[*slot], 1.0)))
            };
            let mut keyed: Vec<(f64, usize)> = rows[row]
                .iter()
                .enumerate()
                .map(|(index, slot)| (middle(*slot, &at).unwrap_or(index as f64), *slot))
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[row] = keyed.into_iter().map(|(_, slot)| slot).collect();
            for (index, slot) in rows[row].iter().enumerate() {
                at[*slot] = index as f64;
            }
        }
        exchange(rows, slots);
        let now = crossings(rows, slots);
        if now < fewest {
            (fewest, best) = (now, rows.to_vec());
        }
    }
    rows.clone_from_slice(&best);
}

/// Exchanges neighbours of a layer as long as that takes crossings away.
fn exchange(rows: &mut [Vec<usize>], slots: &[Slot]) {
    let mut fewest = crossings(rows, slots);
    loop {
        let before = fewest;
        for row in 0..rows.len() {
            for left in 1..rows[row].len() {
                rows[row].swap(left - 1, left);
                match crossings(rows, slots) {
                    now if now < fewest => fewest = now,
                    _ => rows[row].swap(left - 1, left),
                }
            }
        }
        if fewest == before {
            return;
        }
    }
}

/// How many pairs of edges cross.
fn crossings(rows: &[Vec<usize>], slots: &[Slot]) -> usize {
    let mut at = vec![0; slots.len()];
    for (index, slot) in rows.iter().flat_map(|row| row.iter().enumerate()) {
        at[*slot] = index;
    }
    let mut crossings = 0;
    for row in rows {
        let edges: Vec<(usize, usize)> = row
            .iter()
            .flat_map(|from| slots[*from].below.iter().map(|to| (at[*from], at[*to])))
            .collect();
        for (index, a) in edges.iter().enumerate() {
            let crosses =
                |b: &&(usize, usize)| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1);
            crossings += edges[index + 1..].iter().filter(crosses).count();
        }
    }
    crossings
}

/// The middle of each slot, near to its neighbours above and below.
fn pull(rows: &[Vec<usize>], slots: &[Slot]) -> Vec<f64> {
    let mut x = vec![0.0; slots.len()];
    for round in 0..ROUNDS {
        let mut indices: Vec<usize> = (0..rows.len()).collect();
        if round % 2 == 1 {
            indices.reverse();
        }
        for row in indices {
            let wanted: Vec<f64> = rows[row]
                .iter()
                .map(|slot| {
                    let Slot { above, below, lanes, .. } = &slots[*slot];
                    let near = above.iter().chain(below).filter(|other| !lanes.contains(other));
                    let weight = if lanes.is_empty() { 1.0 } else { ENDS };
                    let near = near.map(|other| (x[*other], weight));
                    let beside = x[lanes.clone()].iter().map(|x| (*x, 1.0));
                    mean(near.chain(beside)).unwrap_or(x[*slot])
                })
                .collect();
            for (slot, at) in rows[row].iter().zip(spread(&wanted, &rows[row], slots)) {
                x[*slot] = at;
            }
        }
    }
    let left =
        x.iter().zip(slots).map(|(x, slot)| x - slot.width / 2.0).fold(f64::INFINITY, f64::min);
    x.iter_mut().for_each(|x| *x -= left);
    x
}

/// The places nearest to the wanted ones at which the slots of a row do not touch.
///
/// Without the distances this is a monotone regression: neighbours that are in the wrong order
/// are put together at their mean, until none are.
fn spread(wanted: &[f64], row: &[usize], slots: &[Slot]) -> Vec<f64> {
    let mut offset = 0.0;
    let mut offsets = Vec::new();
    for (index, slot) in row.iter().enumerate() {
        if let Some(before) = index.checked_sub(1) {
            offset += f64::midpoint(slots[row[before]].width, slots[*slot].width) + BESIDE;
        }
        offsets.push(offset);
    }
    // Sum and count of what is put together.
    let mut groups: Vec<(f64, usize)> = Vec::new();
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        let mut group = (wanted - offset, 1);
        while let Some(last) = groups.last().copied() {
            if last.0 / last.1 as f64 <= group.0 / group.1 as f64 {
                break;
            }
            group = (group.0 + last.0, group.1 + last.1);
            groups.pop();
        }
        groups.push(group);
    }
    let means = groups.iter().flat_map(|(sum, n)| std::iter::repeat_n(sum / *n as f64, *n));
    means.zip(offsets).map(|(mean, offset)| mean + offset).collect()
}

/// The weighted mean, if there is anything.
fn mean(values: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (sum, weight) = values.fold((0.0, 0.0), |sum, (x, w)| (sum.0 + x * w, sum.1 + w));
    (weight > 0.0).then(|| sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_lanes_of_a_layer_do_not_touch() {
        // A cycle, and an arrow that passes two layers.
        let widths = [40.0, 60.0, 200.0, 30.0, 90.0];
        let placed = place(&widths, &[(0, 1), (1, 2), (2, 3), (3, 1), (0, 3), (1, 4)]);
        assert_eq!(placed.layer, [0, 1, 2, 3, 2]);
        let upward: Vec<bool> = placed.ways.iter().map(|way| way.upward).collect();
        assert_eq!(upward, [false, false, false, true, false, false]);
        let apart = (placed.x[2] - placed.x[4]).abs();
        assert!(apart >= f64::midpoint(widths[2], widths[4]) + BESIDE, "{placed:?}");
        for lane in [&placed.ways[3].lanes, &placed.ways[4].lanes] {
            let in_layer_2 = lane[lane.len() - 1];
            for node in [2, 4] {
                assert!((placed.x[node] - in_layer_2).abs() > widths[node] / 2.0, "{placed:?}");
            }
        }
    }
}
