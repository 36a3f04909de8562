//! claim: face.notifiers-own-what-they-use
//! Registers a notifier that writes to a variable of the function that ends.
use std::sync::atomic::{AtomicBool, Ordering};

use migration::Notifier;
use migration::bql::BqlGuard;

fn add(bql: &mut BqlGuard<'_>) -> Notifier {
    let moved = AtomicBool::new(false);
    migration::add_notifier(bql, |_, _| { //~ E0373
        moved.store(true, Ordering::Relaxed);
        Ok(())
    })
}

fn main() {}
