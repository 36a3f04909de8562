//! claim: face.helpers-take-a-token
//! Asks whether a migration runs on a thread that shows that it does not hold the BQL.
use migration::bql::BqlUnlocked;

fn may_unplug(thread: &mut BqlUnlocked) -> bool {
    !migration::is_running(thread) //~ E0308
}

fn main() {}
