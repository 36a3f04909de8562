//! claim: inside.hooks-say-their-lock-rule
//! Demands of the engine that the BQL may be released while it saves.
use bql::BqlGuard;
use engine::{Device, RestoreError, VmStopped, VmWaiting};
use wire::vmstate::CpuTimers;

struct Timer;

impl Device for Timer {
    type State = CpuTimers;
    fn save(&self, _: &BqlGuard<'_>, _: &VmStopped) -> CpuTimers {
        CpuTimers::default()
    }
    fn restore(&self, _: &mut BqlGuard<'_>, _: CpuTimers, _: &VmWaiting) -> Result<(), RestoreError> {
        Ok(())
    }
}

fn main() {}
