//! claim: inside.borrow-ends-with-the-call
//! Hands an executor a task that goes on with a borrowed object.
use std::future::Future;
use std::sync::Arc;

use engine::{Direction, MigrationState};

fn execute(_: impl Future<Output = bool> + Send + 'static) {}

fn load_in_background(state: &Arc<MigrationState>) {
    execute(async move { state.status(Direction::Incoming).is_running() }); //~ E0521
}

fn main() {}
