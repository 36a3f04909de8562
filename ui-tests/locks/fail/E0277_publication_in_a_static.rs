//! claim: export.publication-stays-on-its-thread
//! Keeps the right to retire in a static that every thread sees.

use bql::Bql;
use exported::Publication;

enum Slot<T> {
    Empty,
    Full(T),
}
static MINE: Slot<Publication<String, Bql>> = Slot::Empty; //~ E0277 shared

fn main() {}
