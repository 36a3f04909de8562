//! claim: export.object-is-send-and-sync
//! Exports an object that threads may not share; a counted reference would share it.

use std::cell::Cell;

use bql::Bql;
use exported::Exported;

thread_local!(static PLACE: Exported<Cell<u32>, Bql> = const { Exported::new() });

fn main() {}
