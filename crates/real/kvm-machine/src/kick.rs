//! How a thread makes a vCPU leave the guest (`kvm_cpu_kick` and `SIG_IPI` of QEMU's
//! `accel/kvm/kvm-all.c`).
//!
//! A *kick* stores 1 to `immediate_exit` of the vCPU's `struct kvm_run`, and then sends the vCPU's
//! thread a signal. `KVM_RUN` loads `immediate_exit` when it begins, and returns `EINTR` if it is
//! not 0. Once in the guest, it returns `EINTR` if a signal is pending (api.rst, section 5).
//!
//! No kick is lost. If `KVM_RUN` loads the 1, it returns. If it loads the 0, the store came after
//! the load, and so did the signal: it is pending at the check before the guest is entered, or
//! interrupts the guest. In the other order, signal and then store, the signal may arrive before
//! `KVM_RUN` begins, and the load may still find 0: then the vCPU runs on. `tests/loom.rs` has both
//! orders.
//!
//! The vCPU's thread clears the flag before it executes, with the BQL held. Kicks hold it too, so a
//! kick is never cleared before it had its effect. A signal that arrives late finds the flag
//! cleared, and the thread enters the guest again.

use std::io;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use kvm_bindings::kvm_run;
use kvm_ioctls::VcpuFd;
use memmap2::{MmapOptions, MmapRaw};
use vmm_sys_util::signal::{Killable, SIGRTMIN, register_signal_handler, unblock_signal};

use crate::error::KvmError;

/// The request to leave the guest, in the vCPU's `struct kvm_run`.
///
/// # Invariants
///
/// `page` is a mapping of its own of the vCPU's first page, so that no reference of kvm-ioctls to
/// that page lies at the same address. This process uses it through an atomic alone.
#[derive(Debug)]
pub(crate) struct ExitRequest {
    page: MmapRaw,
}

impl ExitRequest {
    pub(crate) fn of(vcpu: &VcpuFd) -> Result<Self, KvmError> {
        let page = MmapOptions::new().len(size_of::<kvm_run>()).map_raw(vcpu);
        Ok(ExitRequest { page: page.map_err(KvmError::set_up("the page of a vCPU"))? })
    }

    fn immediate_exit(&self) -> &AtomicU8 {
        let flag = self.page.as_mut_ptr().wrapping_add(offset_of!(kvm_run, immediate_exit));
        // SAFETY: by the invariant the byte is mapped as long as `self`, and only atomics refer to
        // it. The kernel reads it as any thread may.
        unsafe { AtomicU8::from_ptr(flag) }
    }

    /// Returns whether the vCPU was asked to leave the guest.
    pub(crate) fn is_asked(&self) -> bool {
        self.immediate_exit().load(Ordering::Acquire) != 0
    }

    /// Withdraws the request. The vCPU's thread does so before it executes.
    pub(crate) fn withdraw(&self) {
        self.immediate_exit().store(0, Ordering::Release);
    }

    /// Asks the vCPU, which `thread` executes, to leave the guest.
    pub(crate) fn kick(&self, thread: &JoinHandle<()>) {
        self.immediate_exit().store(1, Ordering::SeqCst);
        // It fails only if the thread has ended, and then executes nothing.
        let _ = thread.kill(SIGRTMIN());
    }
}

/// Makes the signal of a kick do nothing but interrupt, in this process.
pub(crate) fn handle_signal() -> Result<(), KvmError> {
    extern "C" fn nothing(_: std::ffi::c_int, _: *mut libc::siginfo_t, _: *mut std::ffi::c_void) {}
    register_signal_handler(SIGRTMIN(), nothing)
        .map_err(|error| KvmError::set_up("the signal of a kick")(error.into()))
}

/// Lets the signal of a kick through to this thread, which may have been created by one that blocks
/// it.
pub(crate) fn let_signal_through() -> io::Result<()> {
    unblock_signal(SIGRTMIN()).map_err(|error| io::Error::other(format!("{error:?}")))
}
