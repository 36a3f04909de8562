//! The errors of a machine that KVM runs.

use std::io;

use machine::MachineError;
use migration::{HostError, RamSizeError};
use vmm_sys_util::errno;
use wire::IdStrError;

use crate::layout::{MAX_VCPUS, MOST_RAM};

/// An error of making a machine, or of reading or setting its state.
#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    /// `/dev/kvm` cannot be used.
    #[error("cannot use /dev/kvm")]
    Unavailable(#[source] io::Error),
    /// KVM refused a call.
    #[error("{call}{} failed", of(*.vcpu))]
    Call {
        /// KVM's name of the call.
        call: &'static str,
        /// The vCPU, if the call was for one.
        vcpu: Option<usize>,
        /// KVM's reason.
        source: io::Error,
    },
    /// KVM has not what the machine needs.
    #[error("KVM has no {what}")]
    Missing {
        /// KVM's name of the capability.
        what: &'static str,
    },
    /// KVM refused to set a model-specific register.
    #[error("vCPU {vcpu}: KVM does not set MSR {index:#x} to {value:#x}")]
    Msr {
        /// The vCPU.
        vcpu: usize,
        /// Index of the MSR.
        index: u32,
        /// Refused value.
        value: u64,
    },
    /// KVM does not read a model-specific register that it has read before.
    #[error("vCPU {vcpu}: KVM does not read MSR {index:#x}")]
    MsrRead {
        /// The vCPU.
        vcpu: usize,
        /// Index of the MSR.
        index: u32,
    },
    /// KVM reported success, and the register holds another value.
    #[error("vCPU {vcpu}: MSR {index:#x} was set to {value:#x} and holds {found:#x}")]
    MsrDropped {
        /// The vCPU.
        vcpu: usize,
        /// Index of the MSR.
        index: u32,
        /// Value that was set.
        value: u64,
        /// Value that was read back.
        found: u64,
    },
    /// The size of the processor's extended state differs from that of the source.
    #[error(
        "vCPU {vcpu}: the source has {found} bytes of XSAVE state, and KVM has {expected} here"
    )]
    XsaveSize {
        /// The vCPU.
        vcpu: usize,
        /// Bytes here.
        expected: usize,
        /// Bytes at the source.
        found: usize,
    },
    /// A count of vCPUs that the machine cannot have.
    #[error("a machine has 1 to {MAX_VCPUS} vCPUs, each with a page to write to, not {vcpus}")]
    Vcpus {
        /// The count asked for.
        vcpus: usize,
    },
    /// More memory than the guest's page tables map.
    #[error("the guest maps at most {MOST_RAM} bytes, not {bytes}")]
    TooLarge {
        /// Bytes asked for.
        bytes: u64,
    },
    /// The vCPU executes, so its state cannot be read or set.
    #[error("vCPU {vcpu} executes")]
    Executes {
        /// The vCPU.
        vcpu: usize,
    },
    /// A section of the machine's state has not arrived.
    #[error("the section {section} instance {instance} has not arrived")]
    NotArrived {
        /// Name of the section.
        section: &'static str,
        /// Its instance.
        instance: usize,
    },
    /// A dirty log that was asked for cannot be used.
    #[error("the dirty log {name} cannot be used")]
    DirtyLog {
        /// Its name.
        name: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// The memory, or the name of a part, cannot be used.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The thread of a vCPU cannot be created, or memory cannot be mapped.
    #[error("cannot set up {what}")]
    SetUp {
        /// What was to be set up.
        what: &'static str,
        /// The reason.
        source: io::Error,
    },
}

fn of(vcpu: Option<usize>) -> String {
    vcpu.map(|vcpu| format!(" of vCPU {vcpu}")).unwrap_or_default()
}

impl KvmError {
    /// Makes the error for a call of the whole machine.
    pub(crate) fn call(call: &'static str) -> impl FnOnce(errno::Error) -> KvmError {
        move |source| KvmError::Call { call, vcpu: None, source: source.into() }
    }

    /// Makes the error for a call of one vCPU.
    pub(crate) fn vcpu_call(
        call: &'static str,
        vcpu: usize,
    ) -> impl FnOnce(errno::Error) -> KvmError {
        move |source| KvmError::Call { call, vcpu: Some(vcpu), source: source.into() }
    }

    /// Makes the error for a resource that cannot be set up.
    pub(crate) fn set_up(what: &'static str) -> impl FnOnce(io::Error) -> KvmError {
        move |source| KvmError::SetUp { what, source }
    }
}

impl From<IdStrError> for KvmError {
    fn from(error: IdStrError) -> Self {
        KvmError::Machine(error.into())
    }
}

impl From<HostError> for KvmError {
    fn from(error: HostError) -> Self {
        KvmError::Machine(error.into())
    }
}

impl From<RamSizeError> for KvmError {
    fn from(error: RamSizeError) -> Self {
        KvmError::Machine(error.into())
    }
}
