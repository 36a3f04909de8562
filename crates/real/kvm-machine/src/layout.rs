//! Where everything of the guest lies: its physical addresses, which are its virtual addresses too.
//!
//! The guest has two RAM blocks. `program` starts at address 0 and has the code, the tables of the
//! processor and one page per vCPU. `ram` starts at 4 GiB, above the hole that the interrupt
//! controllers and KVM's own pages occupy on x86, and is what the workload writes to.

use machine::Ram;
use migration::GuestMemory;

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;

/// Maximum number of vCPUs.
pub const MAX_VCPUS: usize = 8;

/// Address of the block `ram`.
pub(crate) const RAM: u64 = 4 << 30;

/// Bytes that one page directory maps.
pub(crate) const GIB: u64 = 1 << 30;

/// Maximum bytes of `ram`: what one page directory pointer table maps above [`RAM`].
pub(crate) const MOST_RAM: u64 = 508 << 30;

pub(crate) const GDT: u64 = PAGE;
pub(crate) const IDT: u64 = 2 * PAGE;
pub(crate) const CODE: u64 = 3 * PAGE;
/// The page that the doorbell device writes to.
pub(crate) const DOORBELL: u64 = 4 * PAGE;
pub(crate) const VCPUS: u64 = 5 * PAGE;
pub(crate) const PML4: u64 = VCPUS + MAX_VCPUS as u64 * PAGE;
pub(crate) const PDPT: u64 = PML4 + PAGE;
/// The page directories: one for `program`, then one for each GiB of `ram`.
pub(crate) const DIRECTORIES: u64 = PDPT + PAGE;

/// KVM's pages for real mode, which Intel's processors need below 4 GiB
/// (`KVM_SET_IDENTITY_MAP_ADDR`, `KVM_SET_TSS_ADDR`). QEMU has them at the same place
/// (`kvm_arch_init` of `target/i386/kvm/kvm.c`).
pub(crate) const IDENTITY_MAP: u64 = 0xfeff_c000;
pub(crate) const KVM_TSS: u64 = IDENTITY_MAP + PAGE;

/// Byte offsets in a vCPU's page.
pub(crate) mod vcpu_page {
    /// Address of the first page that this vCPU writes to.
    pub(crate) const BASE: u64 = 0x00;
    /// Number of pages that it writes to.
    pub(crate) const PAGES: u64 = 0x08;
    /// Distance between the pages of two writes.
    pub(crate) const STRIDE: u64 = 0x10;
    /// Seed of the workload.
    pub(crate) const SEED: u64 = 0x18;
    /// Ticks of the TSC from one write to the next; 0 if it never waits.
    pub(crate) const INTERVAL: u64 = 0x20;
    /// Ticks that it catches up on after it could not run.
    pub(crate) const CATCH_UP: u64 = 0x28;
    /// Ticks of the shortest sleep.
    pub(crate) const TICK: u64 = 0x30;
    /// Ticks from one line on the serial port to the next; 0 if this vCPU prints none.
    pub(crate) const LINE: u64 = 0x38;
    /// Expected XCR0; 0 if the processor has none.
    pub(crate) const XCR0: u64 = 0x40;
    /// Expected `IA32_TSC_AUX`, plus 1; 0 if the processor has no `rdtscp`.
    pub(crate) const TSC_AUX: u64 = 0x48;
    /// Number of interrupts of the PIT. The guest writes it.
    pub(crate) const PIT_TICKS: u64 = 0x80;
    /// Number of times that it rang the doorbell. The guest writes it.
    pub(crate) const RINGS: u64 = 0x88;
    /// KVM's clock: `struct pvclock_vcpu_time_info`. KVM writes it.
    pub(crate) const CLOCK: u64 = 0x100;
    /// The task state segment, for the stack at CPL 0.
    pub(crate) const TSS: u64 = 0x200;
}

/// Returns the address of the page of a vCPU.
pub(crate) fn page_of(index: usize) -> u64 {
    VCPUS + index as u64 * PAGE
}

/// Returns the bytes of the block `program` for `ram` bytes of the other.
pub(crate) fn program_bytes(ram: u64) -> u64 {
    DIRECTORIES + (1 + ram.div_ceil(GIB)) * PAGE
}

/// Returns the bytes of memory.
pub(crate) fn bytes(ram: &Ram) -> u64 {
    size_of_val(ram.words()) as u64
}
