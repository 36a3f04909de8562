//! claim: inside.device-state-travels-alone
//! Lets a device send a state that only one thread may touch; it is decoded on another one.
use std::{rc::Rc, sync::Arc};

use bql::BqlGuard;
use engine::{Device, RestoreError, VmStopped, VmWaiting};
use wire::DecodeError;
use wire::vmstate::{Fields, VmState};

#[derive(Clone, Default)]
struct Shared(Arc<u64>);

impl VmState for Shared {
    const NAME: &'static str = "shared";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;
    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        self.0 = u64::from(f.version()).into();
        Ok(())
    }
}

struct Port(Arc<u64>, fn() -> Rc<u64>);

impl Device for Port {
    type State = Shared;
    fn save(&self, _: &BqlGuard<'_>, _: &VmStopped) -> Shared {
        Shared::default()
    }
    fn restore(&self, _: &mut BqlGuard<'_>, _: Shared, _: &VmWaiting) -> Result<(), RestoreError> {
        Ok(())
    }
}

fn main() {}
