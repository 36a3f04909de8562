//! claim: inside.saving-keeps-the-lock
//! Lets the BQL go in the hook that saves, between two halves of one state.
use bql::BqlGuard;
use engine::{Device, RestoreError, VmStopped, VmWaiting};
use wire::vmstate::CpuTimers;

struct Timer;

impl Device for Timer {
    type State = CpuTimers;
    fn save(&self, bql: &BqlGuard<'_>, _: &VmStopped) -> CpuTimers {
        let _ = bql;
        CpuTimers::default()
    }
    fn restore(&self, bql: &mut BqlGuard<'_>, _: CpuTimers, _: &VmWaiting) -> Result<(), RestoreError> {
        bql.unlocked(|_| ());
        Ok(())
    }
}

fn main() {}
