//! claim: inside.borrow-ends-with-the-call
//! Sends a borrowed object to a thread that runs already.
use std::sync::Arc;
use std::sync::mpsc::Sender;

use engine::MigrationState;

fn hand_over(worker: &Sender<Arc<MigrationState>>, state: &Arc<MigrationState>) {
    let _ = worker.send(state.counted());
}

fn main() {}
