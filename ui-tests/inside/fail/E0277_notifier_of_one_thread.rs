//! claim: inside.notifiers-own-what-they-use
//! Registers a notifier that holds a mutex, which only the thread that locked it may release.
use std::sync::{Mutex, MutexGuard};

use engine::{Notifier, Registrations};

type Count<'a> = (MutexGuard<'a, u32>, &'a Mutex<u32>);

fn add(registrations: &mut Registrations, count: Count<'static>) -> Notifier {
    registrations.add_notifier(move |_, _| { //~ E0277 MutexGuard
        let _ = &count.0;
        Ok(())
    })
}

fn main() {}
