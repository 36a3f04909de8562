//! claim: inside.notifiers-own-what-they-use
//! Registers a notifier that counts into a variable of the function that ends.
use std::sync::atomic::{AtomicU32, Ordering};

use engine::{Notifier, Registrations};

fn add(registrations: &mut Registrations) -> Notifier {
    let count = AtomicU32::new(0);
    registrations.add_notifier(|_, _| { //~ E0373
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    })
}

fn main() {}
