//! claim: face.helpers-take-a-token
//! Takes what may be kept off the lock without the lock.
use migration::bql::BqlUnlocked;
use migration::{Direction, Observer};

fn watch(thread: &mut BqlUnlocked) -> Option<Observer> {
    migration::observer(thread, Direction::Outgoing) //~ E0308
}

fn main() {}
