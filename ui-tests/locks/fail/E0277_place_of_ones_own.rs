//! claim: lock.nobody-gets-past-the-tokens
//! Writes a place of one's own, which could give another mutex each time.

use biglock::FromTokens;
use biglock::lock_api::Place;
use spin::lock_api::Mutex;

struct Either(Mutex<()>, Mutex<()>);

impl Place for Either { //~ E0277 Sealed
    type Raw = spin::Mutex<()>;
    fn mutex(&'static self, _: FromTokens) -> &'static Mutex<()> {
        &self.0
    }
}

fn main() {}
