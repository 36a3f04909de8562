//! claim: export.object-is-send-and-sync
//! Exports an object that may not change its thread; the last count may go anywhere.

use std::sync::MutexGuard;

use bql::Bql;
use exported::Exported;

thread_local!(static PLACE: Exported<MutexGuard<'static, u32>, Bql> = const { Exported::new() });

fn main() {}
