//! claim: inside.borrow-ends-with-the-call
//! Starts a thread with the object it was only lent.
use std::sync::Arc;

use engine::{Direction, MigrationState};

fn spawn<F: FnOnce() + Send + 'static>(_: F) {}

fn watch(state: &Arc<MigrationState>) {
    spawn(move || assert!(!state.status(Direction::Outgoing).is_terminal())); //~ E0521
}

fn main() {}
