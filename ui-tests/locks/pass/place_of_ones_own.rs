//! claim: lock.nobody-gets-past-the-tokens
//! Writes a place of one's own, which could give another mutex each time.

use biglock::FromTokens;
use biglock::lock_api::Place;
use spin::lock_api::Mutex;

struct Either(Mutex<()>, Mutex<()>);

impl Either {
    fn mutex(&'static self, _: FromTokens) -> &'static (impl Place<Raw = spin::Mutex<()>> + use<>) {
        &self.0
    }
}

fn main() {}
