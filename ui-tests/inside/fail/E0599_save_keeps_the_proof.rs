//! claim: inside.hooks-keep-nothing
//! Copies the proof that the machine is stopped, for a time when it runs again.
use std::sync::OnceLock;

use bql::BqlGuard;
use engine::{Device, RestoreError, VmStopped, VmWaiting};
use wire::vmstate::CpuTimers;

struct Timer(OnceLock<VmStopped>);

impl Device for Timer {
    type State = CpuTimers;
    fn save(&self, _: &BqlGuard<'_>, stopped: &VmStopped) -> CpuTimers {
        let _ = self.0.set((*stopped).clone()); //~ E0599 clone VmStopped
        CpuTimers::default()
    }
    fn restore(&self, _: &mut BqlGuard<'_>, _: CpuTimers, _: &VmWaiting) -> Result<(), RestoreError> {
        Ok(())
    }
}

fn main() {}
