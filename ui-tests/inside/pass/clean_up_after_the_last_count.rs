//! claim: inside.count-comes-first
//! QEMU's fd392cfa8e: cleanup runs in a bottom half after the last reference went.
use std::sync::Arc;

use engine::{Direction, MigrationState};

fn shut_down(state: Arc<MigrationState>) {
    let held = state.counted();
    let clean_up = || held.status(Direction::Outgoing).is_terminal();
    drop(state);
    clean_up();
}

fn main() {}
