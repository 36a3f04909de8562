//! claim: inside.notifiers-give-the-lock-back
//! Takes the guard that a notifier was lent into a place that outlives the call.
use std::cell::Cell;

use bql::BqlGuard;
use engine::{MigrationEvent, Notifier, Registrations};

thread_local! {
    static KEPT: Cell<Option<BqlGuard<'static>>> = const { Cell::new(None) };
}

fn add(registrations: &mut Registrations) -> Notifier {
    registrations.add_notifier(|bql, event| {
        bql.unlocked(|thread| drop((thread.lock(), KEPT.set(None))));
        if event == MigrationEvent::PrecopySetup { Err("busy".into()) } else { Ok(()) }
    })
}

fn main() {}
