//! The machine whose vCPU is a thread that stores to memory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use machine::{DirtyTracking, Ram, Vcpu, VcpuState, VcpuThread, Workload};
use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{GuestMemory, PAGE_WORDS, RunState};

use super::{Guest, Made, Plan, Position};
use crate::cli::DirtyLog;
use crate::failure::Failure;

/// Makes the machine.
pub(super) fn make(plan: &Plan, ram: Arc<Ram>) -> Result<Made, Failure> {
    let (tracking, why_not) = plan.dirty_log.of(&ram)?;
    let dirty_log = tracking.name();
    let cpu = VcpuState {
        seed: plan.seed,
        pages: (ram.words().len() / PAGE_WORDS) as u64,
        rate: plan.rate,
        ..VcpuState::default()
    };
    let (host, running) = machine::running_machine(ram, tracking, cpu, plan.state)?;
    let why_not = why_not.map(|error| format!("the kernel cannot track writes: {error}"));
    Ok(Made { host, guest: Box::new(Threads { running }), dirty_log, why_not })
}

impl DirtyLog {
    /// Makes the tracking of writes to `ram`. For `auto`, also returns the reason if the kernel
    /// cannot track them.
    fn of(self, ram: &Arc<Ram>) -> Result<(DirtyTracking, Option<io::Error>), Failure> {
        match self {
            DirtyLog::WriteProtect => DirtyTracking::write_protect(ram)
                .map(|tracking| (tracking, None))
                .map_err(Failure::set_up("the kernel's tracking of writes")),
            DirtyLog::Software => Ok((DirtyTracking::software(ram), None)),
            DirtyLog::Auto | DirtyLog::KvmBitmap | DirtyLog::KvmRing => {
                Ok(DirtyTracking::choose(ram))
            }
        }
    }
}

struct Threads {
    running: VcpuThread,
}

impl Threads {
    fn vcpu(&self) -> &Vcpu {
        self.running.vcpu()
    }
}

impl Guest for Threads {
    fn fill_memory(&self, ram: &Ram, seed: u64, goes_on: &dyn Fn() -> bool) {
        let pages = ram.words().len() / PAGE_WORDS;
        Vcpu::fill_memory(ram, Workload::new(seed, pages), goes_on);
    }

    fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        self.vcpu().run_state(bql)
    }

    fn cont(&self, bql: &mut BqlGuard<'_>) {
        self.vcpu().cont(bql);
    }

    fn stop(&self, bql: &mut BqlGuard<'_>) {
        self.vcpu().stop(bql);
    }

    fn stopped_at(&self, bql: &BqlGuard<'_>) -> Duration {
        self.vcpu().stopped_at(bql)
    }

    fn started_at(&self, bql: &BqlGuard<'_>) -> Duration {
        self.vcpu().started_at(bql)
    }

    fn arrived(&self, bql: &BqlGuard<'_>) -> Vec<u64> {
        vec![self.vcpu().arrived(bql)]
    }

    fn position(&self, bql: &BqlGuard<'_>) -> Result<Position, String> {
        let VcpuState { position, faults, .. } = self.vcpu().state(bql);
        Ok(Position { writes: vec![position], faults, noticed: None })
    }

    fn verify_memory(&self, bql: &BqlGuard<'_>) -> Result<usize, String> {
        let verified = self.vcpu().verify_memory(self.vcpu().state(bql));
        verified.map(|verified| verified.pages).map_err(|error| error.to_string())
    }

    fn join(self: Box<Self>, thread: &mut BqlUnlocked) {
        self.running.join(thread);
    }
}
