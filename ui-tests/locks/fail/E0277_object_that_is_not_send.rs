//! claim: export.object-is-send-and-sync
//! Exports an object that may not change its thread; the last count may go anywhere.

use std::sync::MutexGuard;

use bql::Bql;
use exported::Exported;

static PLACE: Exported<MutexGuard<'static, u32>, Bql> = Exported::new(); //~ E0277 sent

fn main() {}
