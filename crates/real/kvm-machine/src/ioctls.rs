//! KVM's calls that kvm-ioctls does not have yet.
//!
//! Numbers and structures are those of the kernel's `include/uapi/linux/kvm.h`.
//! `Documentation/virt/kvm/api.rst` explains them.

use std::ffi::c_ulong;

use kvm_bindings::{KVMIO, kvm_clear_dirty_log, kvm_sregs2};
use kvm_ioctls::{VcpuFd, VmFd};
use vmm_sys_util::errno;
use vmm_sys_util::ioctl::{ioctl, ioctl_with_mut_ref, ioctl_with_ref};
use vmm_sys_util::{ioctl_io_nr, ioctl_ior_nr, ioctl_iow_nr, ioctl_iowr_nr};

ioctl_iowr_nr!(KVM_CLEAR_DIRTY_LOG, KVMIO, 0xc0, kvm_clear_dirty_log);
ioctl_io_nr!(KVM_RESET_DIRTY_RINGS, KVMIO, 0xc7);
ioctl_ior_nr!(KVM_GET_SREGS2, KVMIO, 0xcc, kvm_sregs2);
ioctl_iow_nr!(KVM_SET_SREGS2, KVMIO, 0xcd, kvm_sregs2);

/// `KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2`.
pub(crate) const CAP_MANUAL_DIRTY_LOG_PROTECT2: c_ulong = 168;

fn checked(result: i32) -> Result<i32, errno::Error> {
    if result < 0 { Err(errno::Error::last()) } else { Ok(result) }
}

/// `KVM_GET_SREGS2` (api.rst).
pub(crate) fn get_sregs2(vcpu: &VcpuFd) -> Result<kvm_sregs2, errno::Error> {
    let mut sregs = kvm_sregs2::default();
    // SAFETY: `kvm_sregs2` is the argument of this request, which stores to it alone.
    checked(unsafe { ioctl_with_mut_ref(vcpu, KVM_GET_SREGS2(), &mut sregs) })?;
    Ok(sregs)
}

/// `KVM_SET_SREGS2` (api.rst).
pub(crate) fn set_sregs2(vcpu: &VcpuFd, sregs: &kvm_sregs2) -> Result<(), errno::Error> {
    // SAFETY: `kvm_sregs2` is the argument of this request, which reads it.
    checked(unsafe { ioctl_with_ref(vcpu, KVM_SET_SREGS2(), sregs) })?;
    Ok(())
}

/// Clears pages of the dirty log of a slot and protects them again: those whose bit is set in
/// `bits`, where bit 0 is `first_page`, a multiple of 64 (`KVM_CLEAR_DIRTY_LOG` of api.rst).
/// `pages` is a multiple of 64, or ends with the slot.
pub(crate) fn clear_dirty_log(
    vm: &VmFd,
    slot: u32,
    first_page: u64,
    pages: u32,
    bits: &[u64],
) -> Result<(), errno::Error> {
    assert!(bits.len() * 64 >= pages as usize, "a bit for each page");
    let mut argument =
        kvm_clear_dirty_log { slot, num_pages: pages, first_page, ..Default::default() };
    argument.__bindgen_anon_1.dirty_bitmap = bits.as_ptr().cast_mut().cast();
    // SAFETY: the kernel reads the argument and one bit for each page, which `bits` has. It
    // changes the protection of pages only, which a guest does not see.
    checked(unsafe { ioctl_with_ref(vm, KVM_CLEAR_DIRTY_LOG(), &argument) })?;
    Ok(())
}

/// Protects the pages of all harvested entries of the dirty rings again, and returns how many
/// entries there were (`KVM_RESET_DIRTY_RINGS` of api.rst).
pub(crate) fn reset_dirty_rings(vm: &VmFd) -> Result<i32, errno::Error> {
    // SAFETY: the request has no argument, and changes the protection of pages only.
    checked(unsafe { ioctl(vm, KVM_RESET_DIRTY_RINGS()) })
}
