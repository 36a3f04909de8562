//! claim: inside.saving-keeps-the-lock
//! Waits for another thread in the hook that saves: that thread may want the BQL.
use std::time::Duration;

use bql::{BqlCondvar, BqlGuard};
use engine::{Device, RestoreError, VmStopped, VmWaiting};
use wire::vmstate::CpuTimers;

struct Timer(BqlCondvar);

impl Device for Timer {
    type State = CpuTimers;
    fn save(&self, bql: &BqlGuard<'_>, _: &VmStopped) -> CpuTimers {
        self.0.wait_timeout(bql, Duration::from_secs(1)); //~ E0308
        CpuTimers::default()
    }
    fn restore(&self, bql: &mut BqlGuard<'_>, _: CpuTimers, _: &VmWaiting) -> Result<(), RestoreError> {
        let _ = bql;
        Ok(())
    }
}

fn main() {}
