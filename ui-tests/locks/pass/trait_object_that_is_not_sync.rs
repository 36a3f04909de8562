//! claim: export.object-is-send-and-sync
//! Exports an object of whose type nothing says that threads may share it.

use bql::Bql;
use exported::Exported;

trait Device {}

static PLACE: Exported<dyn Device + Send + Sync, Bql> = Exported::new();

fn main() {
    let _ = &PLACE;
}
