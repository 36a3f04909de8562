//! claim: face.hooks-say-their-lock-rule
//! Writes a device that takes its state without the BQL.
use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{Device, RestoreError, VmStopped, VmWaiting};
use wire::vmstate::CpuTimers;

struct Timer;

impl Device for Timer {
    type State = CpuTimers;
    fn save(&self, _: &BqlGuard<'_>, _: &VmStopped) -> CpuTimers {
        let _ = BqlUnlocked::attach;
        CpuTimers::default()
    }
    fn restore(&self, _: &mut BqlGuard<'_>, _: CpuTimers, _: &VmWaiting) -> Result<(), RestoreError> {
        Ok(())
    }
}

fn main() {}
