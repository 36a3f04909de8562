//! claim: face.notifiers-own-what-they-use
//! Registers a notifier that counts without atomics; the migration thread calls it.
use std::cell::Cell;

use migration::Notifier;
use migration::bql::BqlGuard;

fn add(bql: &mut BqlGuard<'_>, count: Cell<u32>) -> Notifier {
    migration::add_notifier(bql, move |_, _| { //~ E0277 Cell
        let _ = &count;
        Ok(())
    })
}

fn main() {}
