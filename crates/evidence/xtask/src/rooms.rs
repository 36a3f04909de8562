//! The crates, and which of them see which, as Cargo says it: a table and a drawing.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::DependencyKind;

use crate::error::PartError;
use crate::link::href;
use crate::svg::{LINE, PADDING, Svg, wrapped};
use crate::workspace;

/// A crate of `crates/`; this one, and others that only test the workspace, are not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// The folder of `crates/` that it is in: `core`, the design; `real`, what makes it work;
    /// `evidence`, what shows that it does.
    pub band: String,
    /// The name of its folder, by which the others know it.
    pub name: String,
    /// What its manifest says it is.
    pub description: String,
    /// The crates that it sees itself, by the names of their folders. Those for its tests do not
    /// count.
    pub sees: Vec<String>,
}

/// Returns the crates from the bottom to the top: each after all that it sees.
///
/// # Errors
///
/// If Cargo cannot read the workspace.
pub fn rooms() -> Result<Vec<Room>, PartError> {
    let metadata = workspace::metadata()?;
    let crates = workspace::root().join("crates");
    let folder_of = |path: &Path| {
        let mut folders = path.strip_prefix(&crates).ok()?.iter();
        Some((folders.next()?.to_str()?.to_owned(), folders.next()?.to_str()?.to_owned()))
    };
    let mut waiting: Vec<Room> = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = folder_of(package.manifest_path.as_std_path());
        let Some((band, name)) = folder.filter(|_| package.name != env!("CARGO_PKG_NAME")) else {
            continue;
        };
        let normal = package.dependencies.iter().filter(|one| one.kind == DependencyKind::Normal);
        let paths = normal.filter_map(|one| one.path.as_ref());
        let mut sees: Vec<String> =
            paths.filter_map(|path| Some(folder_of(path.as_std_path())?.1)).collect();
        sees.sort();
        sees.dedup();
        let description = package.description.clone().unwrap_or_default();
        waiting.push(Room { band, name, description, sees });
    }
    waiting.sort_by(|a, b| a.name.cmp(&b.name));
    let mut rooms: Vec<Room> = Vec::new();
    // Cargo refuses circles, so there is always a next one.
    while let Some(next) = waiting
        .iter()
        .position(|room| room.sees.iter().all(|seen| rooms.iter().any(|one| one.name == *seen)))
    {
        rooms.push(waiting.remove(next));
    }
    Ok(rooms)
}

/// Returns the crates as a table.
pub(crate) fn text(page: &Path) -> Result<String, PartError> {
    let mut text = "| crate | what it is | sees |\n| --- | --- | --- |\n".to_owned();
    for Room { band, name, description, sees } in rooms()? {
        let folder = href(&workspace::root().join("crates").join(band).join(&name), page);
        let sees = if sees.is_empty() { "none of the others".into() } else { sees.join(", ") };
        text.push_str(&format!("| [{name}]({folder}) | {description} | {sees} |\n"));
    }
    Ok(text)
}

/// Returns the crates as a drawing, without the arrows that others imply.
pub(crate) fn svg() -> Result<String, PartError> {
    Ok(draw(&rooms()?))
}

/// The bands from left to right, each with what it is and how many boxes wide it is. The core is
/// in the middle, since both others see it.
const BANDS: [(&str, &str, i32); 3] =
    [("real", "what makes it work", 2), ("core", "the design", 2), ("evidence", "the proof", 1)];

/// Letters of a line in a box, and the width of a box.
const LETTERS: usize = 23;
const WIDE: i32 = 172;
/// Between two boxes of a band, and between two rows.
const BESIDE: i32 = 20;
const BETWEEN: i32 = 52;
/// Around everything, and around the boxes of a band.
const MARGIN: i32 = 14;
/// Height of a band's heading.
const HEADING: i32 = 60;
/// Between two arrows side by side.
const LANE: i32 = 18;

/// A crate's box: its row counts what is below it, and its column is in its band.
#[derive(Debug, Clone)]
struct Placed<'a> {
    room: &'a Room,
    /// What it sees and does not see through another.
    sees: Vec<usize>,
    row: usize,
    column: i32,
    /// Its left and its top.
    at: (i32, i32),
    words: Vec<String>,
}

impl Placed<'_> {
    fn middle(&self) -> i32 {
        self.at.0 + WIDE / 2
    }

    fn height(&self) -> i32 {
        (1 + self.words.len() as i32) * LINE + 2 * PADDING
    }
}

/// What is seen stands above who sees it, in its own band.
fn place(rooms: &[Room]) -> Vec<Placed<'_>> {
    let index: BTreeMap<&str, usize> =
        rooms.iter().enumerate().map(|(at, room)| (room.name.as_str(), at)).collect();
    let mut placed: Vec<Placed<'_>> = Vec::new();
    let mut reaches: Vec<Vec<usize>> = Vec::new();
    for room in rooms {
        let direct: Vec<usize> = room.sees.iter().map(|name| index[name.as_str()]).collect();
        let further: Vec<usize> = direct.iter().flat_map(|seen| reaches[*seen].clone()).collect();
        let sees: Vec<usize> =
            direct.iter().copied().filter(|seen| !further.contains(seen)).collect();
        let row = direct.iter().map(|seen| placed[*seen].row + 1).max().unwrap_or(0);
        let is_mine = |one: &&Placed<'_>| one.room.band == room.band;
        let below =
            sees.iter().map(|seen| &placed[*seen]).find(is_mine).map_or(0, |one| one.column);
        let is_free = |column: &i32| {
            !placed.iter().filter(is_mine).any(|one| one.row == row && one.column == *column)
        };
        let column = (below..).find(is_free).unwrap_or(below);
        let words = wrapped(&room.description, LETTERS);
        placed.push(Placed { room, sees, row, column, at: (0, 0), words });
        reaches.push([direct, further].concat());
    }
    let mut top = MARGIN + HEADING;
    for row in 0..rooms.len() {
        let in_row = placed.iter_mut().filter(|one| one.row == row).collect::<Vec<_>>();
        let Some(highest) = in_row.iter().map(|one| one.height()).max() else { break };
        for one in in_row {
            let mut left = 2 * MARGIN;
            let before = BANDS.iter().take_while(|(band, ..)| *band != one.room.band);
            left += before.map(|(_, _, columns)| band_width(*columns) + MARGIN).sum::<i32>();
            one.at = (left + one.column * (WIDE + BESIDE), top);
        }
        top += highest + BETWEEN;
    }
    placed
}

fn band_width(columns: i32) -> i32 {
    columns * (WIDE + BESIDE) - BESIDE + 2 * MARGIN
}

/// From the top of a box into the gap above it, over to what it sees, and up to that. Arrows to
/// the left and to the right are beside the one that goes straight up.
fn arrows(placed: &[Placed<'_>]) -> Vec<Vec<(i32, i32)>> {
    let mut all = Vec::new();
    for from in placed {
        for to in from.sees.iter().map(|seen| &placed[*seen]) {
            let side = |of: i32, other: i32| (other - of).signum();
            let direction = side(from.middle(), to.middle());
            // Nearer ones are inside and above.
            let distance = |one: &Placed<'_>| (one.middle() - from.middle()).abs();
            let nearer = from.sees.iter().map(|seen| &placed[*seen]).filter(|one| {
                side(from.middle(), one.middle()) == direction && distance(one) < distance(to)
            });
            let order = nearer.count() as i32;
            let start = from.middle() + direction * (order + 1) * LANE;
            // Arrows to the right keep below those to the left.
            let lane = 2 * (order + direction.max(0)) - 1;
            let gap = from.at.1 - BETWEEN / 2 + direction.abs() * lane * LANE / 3;
            let end = to.middle() - direction * LANE;
            let bottom = to.at.1 + to.height();
            all.push(vec![(start, from.at.1), (start, gap), (end, gap), (end, bottom)]);
        }
    }
    all
}

fn draw(rooms: &[Room]) -> String {
    let placed = place(rooms);
    let bottom = placed.iter().map(|one| one.at.1 + one.height()).max().unwrap_or(0) + MARGIN;
    let wide: i32 = BANDS.iter().map(|(_, _, columns)| band_width(*columns) + MARGIN).sum();
    let mut svg = Svg::new("The crates, and which see which", wide + MARGIN, bottom + MARGIN);
    let mut left = MARGIN;
    for (band, about, columns) in BANDS {
        svg.rect(band, [left, MARGIN, band_width(columns), bottom - MARGIN]);
        svg.lines("heading", left + MARGIN, MARGIN + PADDING, &[band.to_uppercase()]);
        let about = format!("crates/{band}: {about}");
        svg.lines("about", left + MARGIN, MARGIN + PADDING + LINE, &[about]);
        left += band_width(columns) + MARGIN;
    }
    for path in arrows(&placed) {
        let points: Vec<String> = path.iter().map(|(x, y)| format!("{x} {y}")).collect();
        svg.arrow("", &format!("M{}", points.join("L")));
    }
    for one in &placed {
        let (x, y) = one.at;
        svg.rect("box", [x, y, WIDE, one.height()]);
        svg.lines("name", one.middle(), y + PADDING, std::slice::from_ref(&one.room.name));
        svg.lines("", one.middle(), y + PADDING + LINE, &one.words);
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_arrow_runs_along_another() {
        let rooms = rooms().expect("the workspace");
        let placed = place(&rooms);
        let level = |path: &Vec<(i32, i32)>| {
            let ((one, y), (other, _)) = (path[1], path[2]);
            (one != other).then(|| (y, one.min(other), one.max(other)))
        };
        let levels: Vec<_> = arrows(&placed).iter().filter_map(level).collect();
        assert!(levels.len() > 3, "{levels:?}");
        for (index, one) in levels.iter().enumerate() {
            for other in &levels[index + 1..] {
                let apart = one.0 != other.0 || one.2 < other.1 || other.2 < one.1;
                assert!(apart, "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn no_box_touches_another_and_no_arrow_crosses_one() {
        let rooms = rooms().expect("the workspace");
        let placed = place(&rooms);
        let ends =
            |one: &Placed<'_>| (one.at.0, one.at.1, one.at.0 + WIDE, one.at.1 + one.height());
        for (index, one) in placed.iter().enumerate() {
            let (left, top, right, bottom) = ends(one);
            for other in &placed[index + 1..] {
                let apart = ends(other);
                let beside = apart.2 < left || right < apart.0;
                assert!(beside || apart.3 < top || bottom < apart.1, "{one:?} touches {other:?}");
            }
            for (from, to) in arrows(&placed).iter().flat_map(|path| path.iter().zip(&path[1..])) {
                let crosses = from.0.min(to.0) < right
                    && left < from.0.max(to.0).max(from.0.min(to.0) + 1)
                    && from.1.min(to.1) < bottom
                    && top < from.1.max(to.1).max(from.1.min(to.1) + 1);
                assert!(!crosses, "{from:?} to {to:?} crosses {}", one.room.name);
            }
        }
    }

    #[test]
    fn an_arrow_that_others_imply_is_left_out() {
        let room = |name: &str, sees: &[&str]| Room {
            band: "core".to_owned(),
            name: name.to_owned(),
            description: String::new(),
            sees: sees.iter().map(|&name| name.to_owned()).collect(),
        };
        let rooms = [room("a", &[]), room("b", &["a"]), room("c", &["a", "b"])];
        assert_eq!(place(&rooms)[2].sees, [1]);
    }
}
