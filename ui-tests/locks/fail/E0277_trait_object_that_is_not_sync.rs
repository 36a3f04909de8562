//! claim: export.object-is-send-and-sync
//! Exports an object of whose type nothing says that threads may share it.

use bql::Bql;
use exported::Exported;

trait Device {}

static PLACE: Exported<dyn Device + Send, Bql> = Exported::new(); //~ E0277 shared

fn main() {
    let _ = &PLACE;
}
