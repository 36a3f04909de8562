//! claim: lock.backend-is-unsafe
//! Knows no thread again, without taking the duty on.

use biglock::AttachError;
use biglock::attached::Attached;

struct Nobody;
impl Attached for Nobody { //~ E0200
    const NONE: Self = Nobody;
    fn attach(&'static self) -> Result<(), AttachError> {
        Ok(())
    }
    fn detach(&'static self) {}
}

fn main() {}
