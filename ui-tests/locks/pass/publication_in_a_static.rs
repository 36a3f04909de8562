//! claim: export.publication-stays-on-its-thread
//! Keeps the right to retire in a static that every thread sees.

use bql::Bql;
use exported::Publication;

enum Slot<T> {
    Empty,
    Full(T),
}
thread_local!(static MINE: Slot<Publication<String, Bql>> = const { Slot::Empty });

fn main() {}
