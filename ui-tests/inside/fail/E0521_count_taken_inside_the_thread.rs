//! claim: inside.count-comes-first
//! QEMU's 7fc8beb16e: the thread takes its reference itself, when the object may be gone.
use std::sync::Arc;

use engine::{Direction, MigrationState};

fn spawn<F: FnOnce() + Send + 'static>(_: F) {}

fn start(state: &Arc<MigrationState>) {
    spawn(move || { //~ E0521
        let owned = state.counted();
        assert!(!owned.status(Direction::Outgoing).is_terminal());
    });
}

fn main() {}
