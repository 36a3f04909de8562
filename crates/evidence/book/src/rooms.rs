//! The crates, and which of them see which, as Cargo says it.

use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::drawing::{Edge, Node, Tip, svg as draw, wrapped};
use crate::link::href;
use crate::part::PartError;
use crate::workspace;

/// Letters of a line of a crate's description in the drawing.
const LINE: usize = 26;

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

/// The crates, from the bottom to the top: each after all that it sees.
///
/// # Errors
///
/// If Cargo cannot read the workspace.
pub fn rooms() -> Result<Vec<Room>, PartError> {
    let metadata: Metadata = MetadataCommand::new()
        .manifest_path(workspace().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()?;
    let crates = workspace().join("crates");
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
    // A crate without an arrow is about the others, and none of them.
    let seen: Vec<String> = waiting.iter().flat_map(|room| room.sees.clone()).collect();
    waiting.retain(|room| !room.sees.is_empty() || seen.contains(&room.name));
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

/// The crates as a table.
pub(crate) fn text(page: &Path) -> Result<String, PartError> {
    let mut text = "| crate | what it is | sees |\n| --- | --- | --- |\n".to_owned();
    for Room { band, name, description, sees } in rooms()? {
        let folder = href(&workspace().join("crates").join(band).join(&name), page);
        let sees = if sees.is_empty() { "none of the others".into() } else { sees.join(", ") };
        text.push_str(&format!("| [{name}]({folder}) | {description} | {sees} |\n"));
    }
    Ok(text)
}

/// The crates as a drawing: what is seen stands above who sees it.
pub(crate) fn svg() -> Result<String, PartError> {
    let rooms = rooms()?;
    let node = |room: &Room| Node::Named {
        name: room.name.clone(),
        words: wrapped(&room.description, LINE),
    };
    let nodes: Vec<Node> = rooms.iter().map(node).collect();
    let at = |name: &String| rooms.iter().position(|room| room.name == *name);
    let edges: Vec<Edge> = rooms
        .iter()
        .enumerate()
        .flat_map(|(to, room)| room.sees.iter().filter_map(at).map(move |from| (from, to)))
        .map(|(from, to)| Edge { from, to, tip: Tip::From, ours: false })
        .collect();
    Ok(draw("The crates, and which see which", &nodes, &edges))
}
