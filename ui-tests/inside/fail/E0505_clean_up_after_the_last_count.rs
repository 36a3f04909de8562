//! claim: inside.count-comes-first
//! QEMU's fd392cfa8e: cleanup runs in a bottom half after the last reference went.
use std::sync::Arc;

use engine::{Direction, MigrationState};

fn shut_down(state: Arc<MigrationState>) {
    let clean_up = || state.status(Direction::Outgoing).is_terminal();
    drop(state); //~ E0505
    clean_up();
}

fn main() {}
