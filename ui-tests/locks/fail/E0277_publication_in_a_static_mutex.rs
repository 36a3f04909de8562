//! claim: export.publication-stays-on-its-thread
//! Keeps the right to retire in a mutex that every thread sees.

use std::sync::Mutex;

use bql::Bql;
use exported::Publication;

type Mine = Mutex<Slot<Publication<String, Bql>>>;
enum Slot<T> {
    Empty,
    Full(T),
}
static MINE: Mine = Mutex::new(Slot::Empty); //~ E0277 sent

fn main() {}
