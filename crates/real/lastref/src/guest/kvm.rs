//! The machine whose guest code KVM runs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kvm_machine::{KvmMachine, LogKind, Setup, VcpuThreads, Vcpus};
use machine::Ram;
use migration::RunState;
use migration::bql::{BqlGuard, BqlUnlocked};

use super::{Guest, Made, Plan, Position};
use crate::cli::DirtyLog;
use crate::failure::Failure;

/// Checks that KVM can be used.
pub(super) fn available() -> Result<(), Failure> {
    Ok(kvm_machine::available()?)
}

/// Makes the machine.
pub(super) fn make(plan: &Plan, thread: &mut BqlUnlocked, ram: Arc<Ram>) -> Result<Made, Failure> {
    let output = Output::default();
    let vcpus = usize::from(plan.vcpus);
    let setup = Setup {
        vcpus,
        seed: plan.seed,
        rate: plan.rate.div_ceil(vcpus as u64),
        log: match plan.dirty_log {
            DirtyLog::KvmBitmap => Some(LogKind::Bitmap),
            DirtyLog::KvmRing => Some(LogKind::Ring),
            DirtyLog::WriteProtect => Some(LogKind::WriteProtect),
            DirtyLog::Auto | DirtyLog::Software => None,
        },
        serial: Box::new(output.clone()),
        ..Setup::default()
    };
    let KvmMachine { host, running, log, refused } =
        kvm_machine::kvm_machine(thread, ram, setup, plan.state)?;
    let why_not = refused.last().map(|error| migration::error_chain(error));
    Ok(Made { host, guest: Box::new(Kvm { running, output }), dirty_log: log.name(), why_not })
}

/// What the serial port has printed.
#[derive(Debug, Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Kvm {
    running: VcpuThreads,
    output: Output,
}

impl Kvm {
    fn vcpus(&self) -> &Vcpus {
        self.running.vcpus()
    }
}

impl Guest for Kvm {
    fn fill_memory(&self, ram: &Ram, seed: u64, goes_on: &dyn Fn() -> bool) {
        kvm_machine::fill_memory(ram, seed, self.vcpus().count(), goes_on);
    }

    fn run_state(&self, bql: &BqlGuard<'_>) -> RunState {
        self.vcpus().run_state(bql)
    }

    fn cont(&self, bql: &mut BqlGuard<'_>) {
        self.vcpus().cont(bql);
    }

    fn stop(&self, bql: &mut BqlGuard<'_>) {
        self.vcpus().stop(bql);
    }

    fn stopped_at(&self, bql: &BqlGuard<'_>) -> Duration {
        self.vcpus().stopped_at(bql)
    }

    fn started_at(&self, bql: &BqlGuard<'_>) -> Duration {
        self.vcpus().started_at(bql)
    }

    fn arrived(&self, bql: &BqlGuard<'_>) -> Vec<u64> {
        self.vcpus().arrived(bql).to_vec()
    }

    fn position(&self, bql: &BqlGuard<'_>) -> Result<Position, String> {
        let positions = self.vcpus().positions(bql);
        let positions = positions.map_err(|error| migration::error_chain(&error))?;
        let mut noticed = positions.iter().map(|at| at.noticed).filter(|seen| !seen.is_nothing());
        Ok(Position {
            writes: positions.iter().map(|at| at.writes).collect(),
            faults: positions.iter().map(|at| at.faults).sum(),
            noticed: noticed.next().map(|seen| seen.to_string()),
        })
    }

    fn verify_memory(&self, bql: &BqlGuard<'_>) -> Result<usize, String> {
        let positions = self.vcpus().positions(bql);
        let positions = positions.map_err(|error| migration::error_chain(&error))?;
        let verified = self.vcpus().verify_memory(bql, &positions);
        verified.map(|verified| verified.pages).map_err(|error| error.to_string())
    }

    fn printed(&self) -> Option<Vec<u8>> {
        Some(self.output.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn verify_printed(
        &self,
        bql: &BqlGuard<'_>,
        printed: &[u8],
        writes: &[u64],
    ) -> Result<(), String> {
        let writes = writes.first().copied().unwrap_or_default();
        let verified = self.vcpus().verify_lines(bql, writes, printed);
        verified.map(drop).map_err(|error| error.to_string())
    }

    fn failure(&self, bql: &BqlGuard<'_>) -> Option<String> {
        self.vcpus().failure(bql)
    }

    fn join(self: Box<Self>, thread: &mut BqlUnlocked) {
        self.running.join(thread);
    }
}
