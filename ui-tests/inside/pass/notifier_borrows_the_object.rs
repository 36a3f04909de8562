//! claim: inside.notifiers-own-what-they-use
//! Registers a notifier with a borrowed object, which the registry would outlive.
use std::sync::Arc;

use bql::BqlGuard;
use engine::{Direction, MigrationState, Notifier};

fn add(state: &Arc<MigrationState>, bql: &mut BqlGuard<'_>) -> Notifier {
    let registrations = state.registrations_mut(bql);
    let watched = state.counted();
    registrations.add_notifier(move |_, _| {
        assert!(watched.status(Direction::Outgoing).is_running());
        Ok(())
    })
}

fn main() {}
