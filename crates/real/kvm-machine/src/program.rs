//! The block `program`: the guest's code and the tables of the processor, as the host lays them
//! out.
//!
//! No code boots. The host starts each vCPU in 64-bit mode at CPL 3, with paging on. The guest
//! reaches CPL 0 only to sleep and for interrupts.

use std::arch::global_asm;
use std::sync::atomic::{AtomicU64, Ordering};

use machine::{Ram, Workload};
use migration::{GuestMemory, PAGE_WORDS};

use crate::layout::{
    CODE, DIRECTORIES, DOORBELL, GDT, GIB, IDT, PAGE, PDPT, PML4, RAM, bytes, page_of, vcpu_page,
};

/// The vector of an invalid opcode, which is how the guest enters CPL 0 to sleep. Unlike `syscall`
/// and `int`, it does so under every hypervisor that was tried.
const INVALID_OPCODE: u64 = 6;
/// The vector of the LAPIC's timer.
pub(crate) const TIMER_VECTOR: u64 = 0x40;
/// The vector of the PIT.
pub(crate) const PIT_VECTOR: u64 = 0x30;

/// The I/O port of the doorbell device.
pub(crate) const DOORBELL_PORT: u16 = 0x510;
/// The first I/O port of the serial port: COM1.
pub(crate) const SERIAL_PORT: u16 = 0x3f8;

/// `MSR_IA32_TSC_DEADLINE`.
pub(crate) const IA32_TSC_DEADLINE: u32 = 0x6e0;
/// The x2APIC's register for the end of an interrupt.
const X2APIC_EOI: u32 = 0x80b;

/// Bits of r11: what the guest noticed.
pub(crate) const TSC_WENT_BACK: u64 = 1 << 0;
pub(crate) const CLOCK_WENT_BACK: u64 = 1 << 1;
pub(crate) const WRONG_TSC_AUX: u64 = 1 << 2;
pub(crate) const WRONG_XCR0: u64 = 1 << 3;
pub(crate) const STALE_DOORBELL: u64 = 1 << 4;

global_asm!(
    include_str!("guest.s"),
    BASE = const vcpu_page::BASE,
    PAGES = const vcpu_page::PAGES,
    STRIDE = const vcpu_page::STRIDE,
    SEED = const vcpu_page::SEED,
    INTERVAL = const vcpu_page::INTERVAL,
    CATCH_UP = const vcpu_page::CATCH_UP,
    TICK = const vcpu_page::TICK,
    LINE = const vcpu_page::LINE,
    XCR0 = const vcpu_page::XCR0,
    TSC_AUX = const vcpu_page::TSC_AUX,
    PIT_TICKS = const vcpu_page::PIT_TICKS,
    RINGS = const vcpu_page::RINGS,
    CLOCK = const vcpu_page::CLOCK,
    DOORBELL = const DOORBELL,
    DOORBELL_PORT = const DOORBELL_PORT,
    SERIAL_PORT = const SERIAL_PORT,
    IA32_TSC_DEADLINE = const IA32_TSC_DEADLINE,
    X2APIC_EOI = const X2APIC_EOI,
    TSC_WENT_BACK = const TSC_WENT_BACK,
    CLOCK_WENT_BACK = const CLOCK_WENT_BACK,
    WRONG_TSC_AUX = const WRONG_TSC_AUX,
    WRONG_XCR0 = const WRONG_XCR0,
    STALE_DOORBELL = const STALE_DOORBELL,
);

unsafe extern "C" {
    safe static lastref_kvm_guest_start: u8;
    safe static lastref_kvm_guest_stored: u8;
    safe static lastref_kvm_guest_sleep: u8;
    safe static lastref_kvm_guest_timer: u8;
    safe static lastref_kvm_guest_pit: u8;
    safe static lastref_kvm_guest_end: u8;
}

/// Returns the guest's code, for its copy at [`CODE`].
fn code() -> &'static [u8] {
    let start = &raw const lastref_kvm_guest_start;
    let len = (&raw const lastref_kvm_guest_end).addr() - start.addr();
    // SAFETY: the two labels are the ends of one section of read-only data, in this order.
    unsafe { std::slice::from_raw_parts(start, len) }
}

/// Returns the guest's address of a label.
fn address_of(label: *const u8) -> u64 {
    CODE + (label.addr() - (&raw const lastref_kvm_guest_start).addr()) as u64
}

/// Returns where each vCPU starts.
pub(crate) fn entry() -> u64 {
    address_of(&raw const lastref_kvm_guest_start)
}

/// Returns the number of writes done by a vCPU that is stopped with these registers.
///
/// The guest counts a write with the instruction after the store.
pub(crate) fn writes_done(rip: u64, rbx: u64) -> u64 {
    let stored = rip == address_of(&raw const lastref_kvm_guest_stored);
    rbx.wrapping_add(u64::from(stored))
}

/// Selectors of the GDT.
pub(crate) const CODE_0: u16 = 0x08;
pub(crate) const DATA_0: u16 = 0x10;
pub(crate) const DATA_3: u16 = 0x18 | 3;
pub(crate) const CODE_3: u16 = 0x20 | 3;
const FIRST_TSS: u16 = 0x28;

/// Returns the selector of a vCPU's task state segment.
pub(crate) fn tss_selector(index: usize) -> u16 {
    FIRST_TSS + 16 * index as u16
}

/// Byte offset of the I/O permission bitmap in a task state segment.
const IO_BITMAP: u32 = 104;
/// Last byte offset of a task state segment: the bitmap has a bit for each port up to the doorbell,
/// and a byte of ones at its end.
pub(crate) const TSS_LIMIT: u32 = IO_BITMAP + DOORBELL_PORT as u32 / 8 + 1;

/// Bits of an entry of a page table: present, writable, user, and accessed and dirty from the
/// start, so that the processor never stores to it.
const TABLE: u64 = 0b10_0111;
/// The same, dirty, and a large page.
const LARGE: u64 = TABLE | 1 << 6 | 1 << 7;

/// What a vCPU does: its part of the workload, and its times in ticks of the TSC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    pub(crate) first_page: u64,
    pub(crate) workload: Workload,
    pub(crate) pages: u64,
    pub(crate) seed: u64,
    pub(crate) interval: u64,
    pub(crate) catch_up: u64,
    pub(crate) tick: u64,
    pub(crate) line: u64,
    pub(crate) xcr0: u64,
    pub(crate) tsc_aux: Option<u32>,
}

/// Stores to the block `program` before any vCPU runs.
pub(crate) struct Image<'a>(pub(crate) &'a Ram);

impl Image<'_> {
    fn word(&self, address: u64) -> &AtomicU64 {
        &self.0.words()[address as usize / size_of::<u64>()]
    }

    fn set(&self, address: u64, value: u64) {
        self.word(address).store(value, Ordering::Relaxed);
    }

    /// Lays out everything but the pages of the vCPUs.
    pub(crate) fn lay_out(&self, ram: &Ram) {
        for (address, bytes) in (CODE..).step_by(size_of::<u64>()).zip(code().chunks(8)) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.set(address, u64::from_le_bytes(word));
        }
        // Present code and data segments of 64-bit mode: their limits and bases do not count.
        for (selector, descriptor) in [
            (CODE_0, 0x00af_9b00_0000_ffff),
            (DATA_0, 0x00cf_9300_0000_ffff),
            (DATA_3 & !3, 0x00cf_f300_0000_ffff),
            (CODE_3 & !3, 0x00af_fb00_0000_ffff),
        ] {
            self.set(GDT + u64::from(selector), descriptor);
        }
        for (vector, label) in [
            (INVALID_OPCODE, &raw const lastref_kvm_guest_sleep),
            (TIMER_VECTOR, &raw const lastref_kvm_guest_timer),
            (PIT_VECTOR, &raw const lastref_kvm_guest_pit),
        ] {
            // An interrupt gate, which turns interrupts off.
            let address = address_of(label);
            let low = address & 0xffff | u64::from(CODE_0) << 16 | 0x8e00 << 32;
            self.set(IDT + vector * 16, low | (address >> 16 & 0xffff) << 48);
            self.set(IDT + vector * 16 + 8, address >> 32);
        }
        self.set(PML4, PDPT | TABLE);
        self.directory(0, 0);
        for gib in 0..bytes(ram).div_ceil(GIB) {
            self.directory(1 + gib, RAM / GIB + gib);
        }
    }

    /// Maps one GiB at its own address, by large pages.
    fn directory(&self, number: u64, gib: u64) {
        let directory = DIRECTORIES + number * PAGE;
        self.set(PDPT + gib * 8, directory | TABLE);
        for entry in 0..PAGE_WORDS as u64 {
            self.set(directory + entry * 8, (gib * GIB + (entry << 21)) | LARGE);
        }
    }

    /// Lays out the page of a vCPU.
    pub(crate) fn vcpu(&self, index: usize, task: &Task) {
        let page = page_of(index);
        for (offset, value) in [
            (vcpu_page::BASE, RAM + task.first_page * PAGE),
            (vcpu_page::PAGES, task.pages),
            // Where the second write goes is one stride away.
            (vcpu_page::STRIDE, task.workload.write(1).page as u64),
            (vcpu_page::SEED, task.seed),
            (vcpu_page::INTERVAL, task.interval),
            (vcpu_page::CATCH_UP, task.catch_up),
            (vcpu_page::TICK, task.tick),
            (vcpu_page::LINE, task.line),
            (vcpu_page::XCR0, task.xcr0),
            (vcpu_page::TSC_AUX, task.tsc_aux.map_or(0, |aux| u64::from(aux) + 1)),
        ] {
            self.set(page + offset, value);
        }
        // RSP0 is at byte 4 of the segment.
        let tss = page + vcpu_page::TSS;
        self.set(tss, (page + PAGE) << 32);
        self.set(tss + 8, (page + PAGE) >> 32);
        // The guest may use every port, by a bitmap of zeros. I/O privilege in RFLAGS would do as
        // well.
        self.set(tss + 96, u64::from(IO_BITMAP) << 48);
        let last = u64::from(TSS_LIMIT);
        self.set(tss + last / 8 * 8, 0xff << (last % 8 * 8));
        let descriptor =
            u64::from(TSS_LIMIT) | (tss & 0xff_ffff) << 16 | 0x8b << 40 | (tss >> 24 & 0xff) << 56;
        let at = GDT + u64::from(tss_selector(index));
        self.set(at, descriptor);
        self.set(at + 8, tss >> 32);
    }

    /// Returns the number of the PIT's interrupts that the guest has counted.
    pub(crate) fn pit_ticks(&self) -> u64 {
        self.word(page_of(0) + vcpu_page::PIT_TICKS).load(Ordering::Relaxed)
    }
}
