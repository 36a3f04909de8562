//! claim: inside.borrow-ends-with-the-call
//! QEMU's 27eb8499ed: a bottom half is scheduled with the object and no reference to it.
use std::sync::Arc;

use engine::{Direction, MigrationState};

type BottomHalf = Box<dyn FnOnce() + Send>;

fn schedule(queue: &mut Vec<BottomHalf>, state: &Arc<MigrationState>) {
    let state = state.counted();
    queue.push(Box::new(move || assert!(!state.status(Direction::Incoming).is_running())));
}

fn main() {}
