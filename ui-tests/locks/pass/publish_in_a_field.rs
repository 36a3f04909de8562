//! claim: export.place-is-static
//! Publishes in a place inside a value that can be dropped.

use std::sync::Arc;

use bql::{Bql, BqlGuard};
use exported::Exported;

struct Machine {
    migration: Exported<String, Bql>,
}

fn begin(machine: &'static Machine, bql: &mut BqlGuard<'_>) -> bool {
    machine.migration.publish(bql, Arc::new(String::new())).is_ok()
}

fn main() {}
