//! claim: face.no-read-across-a-command
//! Keeps a view across a helper that a notifier calls.
use std::sync::Arc;

use migration::bql::{BqlGuard, BqlGuarded};
use migration::{Direction, Notifier};

fn add(list: Arc<BqlGuarded<Vec<u64>>>, bql: &mut BqlGuard<'_>) -> Notifier {
    migration::add_notifier(bql, move |bql, _| {
        let view = list.borrow(bql).clone();
        migration::cancel(bql, Direction::Outgoing);
        Err(format!("{view:?}"))
    })
}

fn main() {}
