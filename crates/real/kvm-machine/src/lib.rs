//! A small virtual machine whose guest code KVM runs, and which can be migrated while it runs. It
//! is the second machine behind [`migration`]'s traits; the crate [`machine`] has the first.
//!
//! The guest is code of this crate, not an operating system. Each of its vCPUs runs the
//! [`Workload`](machine::Workload) of `machine` at CPL 3, over its own share of the memory, so
//! every write can be checked afterwards. The first prints lines `count sum` on a serial port,
//! which can be checked too.
//!
//! ```
//! use std::sync::Arc;
//!
//! use kvm_machine::{Setup, fill_memory, kvm_machine};
//! use machine::Ram;
//! use migration::RunState;
//! use migration::bql::BqlUnlocked;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if kvm_machine::available().is_err() { return Ok(()); }
//! let mut thread = BqlUnlocked::attach()?;
//! let ram = Arc::new(Ram::anonymous(1 << 20)?);
//! let setup = Setup { vcpus: 2, seed: 7, rate: 100_000, ..Setup::default() };
//! fill_memory(&ram, setup.seed, setup.vcpus, || true);
//! let machine = kvm_machine(&mut thread, ram, setup, RunState::Paused)?;
//! let vcpus = machine.running.vcpus().clone();
//!
//! vcpus.cont(&mut thread.lock());
//! let mut bql = thread.lock();
//! vcpus.stop(&mut bql);
//! let positions = vcpus.positions(&bql)?;
//! vcpus.verify_memory(&bql, &positions)?; // no write was lost or repeated
//! drop(bql);
//! machine.running.join(&mut thread);
//! # Ok(())
//! # }
//! ```
//!
//! # Caveats
//!
//! It runs on Linux on x86-64 only. The process must leave the first real-time signal to it
//! (`SIGRTMIN`): a vCPU that has to stop gets it.
//!
//! # Alternatives
//!
//! The crate [`machine`] runs everywhere. A monitor with a real guest writes its own
//! [`Vm`](migration::Vm), [`Device`](migration::Device) and [`DirtyLog`](migration::DirtyLog); the
//! page `docs/kvm.md` has the traps.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod build;
mod devices;
mod error;
mod ioctls;
mod kick;
mod layout;
mod lines;
mod log;
mod program;
mod sections;
mod share;
mod start;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod vcpus;
mod vm;

pub use build::{
    KvmMachine, MACHINE_TYPE, PROGRAM_BLOCK, Setup, available, fill_memory, kvm_machine,
};
pub use error::KvmError;
pub use layout::MAX_VCPUS;
pub use lines::{LineMismatch, verify_lines};
pub use log::LogKind;
pub use vcpus::{Noticed, Position, VcpuThreads, Vcpus};
