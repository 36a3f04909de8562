//! claim: face.watching-blocks-without-the-lock
//! Waits in a notifier for the migration that waits for the notifier.
use std::time::Duration;

use migration::bql::BqlGuard;
use migration::{Notifier, Observer};

fn add(bql: &mut BqlGuard<'_>, observer: Observer) -> Notifier {
    migration::add_notifier(bql, move |bql, _| {
        bql.unlocked(|thread| observer.wait(thread, Duration::from_secs(1), |status, _| status.is_terminal()));
        Ok(())
    })
}

fn main() {}
