//! claim: face.retired-only-drops
//! Gives the last count back twice.
use migration::Retired;
use migration::bql::BqlUnlocked;

fn end(retired: Retired, thread: &mut BqlUnlocked) {
    retired.give_back(thread);
}

fn main() {}
