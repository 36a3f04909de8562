//! What the guest notices of each part of the state that is left out, and the traps of setting it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kvm_ioctls::VcpuExit;
use machine::{Ram, Workload};
use migration::RunState;
use migration::bql::BqlUnlocked;
use wire::Decoder;
use wire::vmstate::{self, VmState};

use super::order::Part;
use super::vcpu::{Msr, VcpuState};
use super::vm::ClockState;
use crate::program::{
    CLOCK_WENT_BACK, IA32_TSC_DEADLINE, STALE_DOORBELL, WRONG_TSC_AUX, WRONG_XCR0, writes_done,
};
use crate::testing::{attach, kvm};
use crate::vcpus::{Hooks, Saved};
use crate::{KvmError, KvmMachine, Position, Setup, Vcpus, fill_memory, kvm_machine};

/// `KVM_MP_STATE_HALTED`.
const HALTED: u32 = kvm_bindings::KVM_MP_STATE_HALTED;

const PAGES: usize = 64;
const SEED: u64 = 7;

/// Time in which a guest that can go on would have done so many times.
const LONG: Duration = Duration::from_millis(300);

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns whether each whole line has the sum of its count.
    fn is_right(&self, vcpus: usize) -> bool {
        let workload = Workload::new(SEED, PAGES / vcpus);
        let text = self.text();
        let number = |text: Option<&str>| u64::from_str_radix(text?, 16).ok();
        text.rsplit_once('\n').map_or("", |(whole, _)| whole).lines().all(|line| {
            let mut numbers = line.split(' ');
            let (count, sum) = (number(numbers.next()), number(numbers.next()));
            let expected = |count| {
                (0..count).fold(0_u64, |sum, write| sum.wrapping_add(workload.write(write).new))
            };
            count.is_some_and(|count| sum == Some(expected(count)))
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn machine(
    thread: &mut BqlUnlocked,
    vcpus: usize,
    rate: u64,
    output: &Output,
    state: RunState,
) -> KvmMachine {
    let ram = Arc::new(Ram::anonymous(PAGES << 12).expect("memory"));
    fill_memory(&ram, SEED, vcpus, || true);
    let serial = Box::new(output.clone());
    let setup = Setup { vcpus, seed: SEED, rate, serial, ..Setup::default() };
    kvm_machine(thread, ram, setup, state).expect("a machine")
}

/// Lets the machine run until its state, stopped, is as wanted.
fn stop_when(thread: &mut BqlUnlocked, vcpus: &Vcpus, wanted: impl Fn(&Saved) -> bool) -> Saved {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let mut bql = thread.lock();
        assert!(vcpus.cont(&mut bql), "{:?}", vcpus.failure(&bql));
        drop(bql);
        std::thread::sleep(Duration::from_millis(3));
        let mut bql = thread.lock();
        vcpus.stop(&mut bql);
        let saved = Hooks(vcpus.clone()).read(&bql).expect("the state");
        if wanted(&saved) {
            return saved;
        }
        assert!(Instant::now() < limit, "{:?}", vcpus.failure(&bql));
    }
}

/// What a machine did in a while.
struct Seen {
    before: Vec<u64>,
    after: Vec<Position>,
    ticks: u64,
    lines: usize,
    sums_are_right: bool,
    failure: Option<String>,
}

impl Seen {
    fn went_on(&self, vcpu: usize) -> bool {
        self.after[vcpu].writes > self.before[vcpu]
    }

    fn noticed(&self, bits: u64) -> bool {
        self.after.iter().any(|position| position.noticed.has(bits))
    }

    fn is_whole(&self) -> bool {
        (0..self.after.len()).all(|vcpu| self.went_on(vcpu)) && self.ticks > 1 && self.lines > 1
    }

    /// Fails the test unless the guest went on as if it had not moved.
    #[track_caller]
    fn assert_whole(&self) {
        assert_eq!(self.failure, None);
        for (vcpu, position) in self.after.iter().enumerate() {
            assert!(self.went_on(vcpu), "vCPU {vcpu} stands still");
            assert_eq!(position.faults, 0);
            assert!(position.noticed.is_nothing(), "{}", position.noticed);
        }
        assert!(self.ticks > 1, "{} interrupts of the PIT", self.ticks);
        assert!(self.lines > 1 && self.sums_are_right, "{} lines", self.lines);
    }
}

/// Moves a guest without some parts of its state, lets it run for [`LONG`] and until `enough`, and
/// returns what it did there.
fn without(
    left_out: &[Part],
    vcpus: usize,
    wanted: impl Fn(&Saved) -> bool,
    enough: impl Fn(&Seen) -> bool,
) -> Seen {
    let mut thread = attach();
    let output = Output::default();
    let source = machine(&mut thread, vcpus, 1000, &output, RunState::Paused);
    // Ahead of a machine that has just been made.
    let clock = ClockState { clock: 1_000_000_000_000 };
    clock.set(&source.running.vcpus().shared.vm).expect("accepted");
    let saved = stop_when(&mut thread, source.running.vcpus(), |saved| {
        let went = |state: &VcpuState| writes_done(state.regs.rip, state.regs.rbx) > 20;
        saved.doorbell.rings > 2 && saved.vcpus.iter().all(went) && wanted(saved)
    });
    let destination = machine(&mut thread, vcpus, 0, &output, RunState::InMigrate);
    let there = destination.running.vcpus().clone();
    let from = source.running.vcpus();
    let taken_over = there.take_over(&mut thread.lock(), from, &saved, left_out);
    taken_over.expect("what is set is accepted");
    source.running.join(&mut thread);
    let writes = |state: &VcpuState| writes_done(state.regs.rip, state.regs.rbx);
    let before: Vec<u64> = saved.vcpus.iter().map(writes).collect();
    let (ticks, lines) = (there.pit_ticks(), output.text().lines().count());
    let began = Instant::now();
    let seen = loop {
        there.cont(&mut thread.lock());
        std::thread::sleep(LONG / 10);
        let mut bql = thread.lock();
        there.stop(&mut bql);
        let seen = Seen {
            before: before.clone(),
            after: there.positions(&bql).expect("stopped"),
            ticks: there.pit_ticks() - ticks,
            lines: output.text().lines().count() - lines,
            sums_are_right: output.is_right(vcpus),
            failure: there.failure(&bql),
        };
        let long = began.elapsed() > LONG;
        if long && (enough(&seen) || seen.failure.is_some() || began.elapsed() > 60 * LONG) {
            break seen;
        }
    };
    destination.running.join(&mut thread);
    seen
}

/// Whether the last vCPU sleeps until its timer expires.
fn sleeps(saved: &Saved) -> bool {
    let last = saved.vcpus.last().expect("a vCPU");
    last.mp_state.mp_state == HALTED && last.msr(IA32_TSC_DEADLINE).is_some_and(|at| at != 0)
}

#[test]
fn with_all_parts_the_guest_notices_nothing() {
    if !kvm() {
        return;
    }
    for vcpus in [1, 2] {
        // What it does when it is asleep, and when it is not.
        without(&[], vcpus, sleeps, Seen::is_whole).assert_whole();
        without(&[], vcpus, |_| true, Seen::is_whole).assert_whole();
    }
}

#[test]
fn without_its_registers_a_vcpu_does_not_go_on() {
    if !kvm() {
        return;
    }
    for part in [Part::Regs, Part::Sregs] {
        let seen = without(&[part], 1, |_| true, |_| true);
        assert!(!seen.went_on(0), "without {part:?} it went on: {:?}", seen.after);
        println!("without {part:?}: {:?}", seen.failure);
    }
}

#[test]
fn without_its_mp_state_a_second_vcpu_never_runs_and_nothing_says_so() {
    if !kvm() {
        return;
    }
    let seen = without(&[Part::MpState], 2, |_| true, |seen| seen.went_on(0));
    assert_eq!(seen.failure, None, "no error");
    assert!(seen.went_on(0) && !seen.went_on(1), "{:?} {:?}", seen.before, seen.after);
}

#[test]
fn without_xsave_the_sum_in_a_register_of_sse_is_wrong() {
    if !kvm() {
        return;
    }
    let seen = without(&[Part::Xsave], 1, |_| true, |seen| !seen.sums_are_right);
    assert!(seen.lines > 0 && !seen.sums_are_right, "{} lines", seen.lines);
}

#[test]
fn without_the_lapic_nothing_wakes_a_vcpu() {
    if !kvm() {
        return;
    }
    let seen = without(&[Part::Lapic, Part::TscDeadline], 1, sleeps, |_| true);
    assert!(!seen.went_on(0), "{:?} {:?}", seen.before, seen.after);
    assert_eq!(seen.ticks, 0, "the PIT's interrupts pass through it");
}

#[test]
fn without_the_deadline_a_vcpu_that_sleeps_does_not_wake() {
    if !kvm() {
        return;
    }
    // The second: the PIT's interrupts go to the first and would wake it.
    let seen = without(&[Part::TscDeadline], 2, sleeps, |seen| seen.went_on(0));
    assert!(seen.went_on(0) && !seen.went_on(1), "{:?} {:?}", seen.before, seen.after);
}

#[test]
fn without_the_msrs_another_tsc_aux_is_there() {
    if !kvm() {
        return;
    }
    let seen = without(&[Part::Msrs], 1, |_| true, |seen| seen.lines > 1);
    let has_rdtscp = crate::vm::open().expect("KVM").get_supported_cpuid(256).expect("CPUID");
    let leaf = has_rdtscp.as_slice().iter().find(|leaf| leaf.function == 0x8000_0001);
    if leaf.is_none_or(|leaf| leaf.edx & 1 << 27 == 0) {
        println!("SKIPPED: no rdtscp");
        return;
    }
    assert!(seen.noticed(WRONG_TSC_AUX), "{:?}", seen.after);
}

#[test]
fn without_xcr0_the_guest_reads_another() {
    if !kvm() {
        return;
    }
    let mut thread = attach();
    let probe = machine(&mut thread, 1, 0, &Output::default(), RunState::Paused);
    let xcr0 = probe.running.vcpus().shared.vm.xcr0();
    probe.running.join(&mut thread);
    drop(thread);
    if xcr0 <= 1 {
        // Its state still moves: `with_all_parts_the_guest_notices_nothing`.
        println!("SKIPPED: KVM gives the guest no XSAVE here");
        return;
    }
    let seen = without(&[Part::Xcrs], 1, |_| true, |seen| seen.lines > 1);
    assert!(seen.failure.is_some() || seen.noticed(WRONG_XCR0), "{:?}", seen.after);
}

#[test]
fn without_the_interrupt_controllers_or_the_pit_its_interrupts_end() {
    if !kvm() {
        return;
    }
    for part in [Part::Irqchip, Part::Pit] {
        let seen = without(&[part], 1, |_| true, |seen| seen.lines > 1);
        assert_eq!(seen.failure, None);
        // One may have been on its way in the LAPIC.
        assert!(seen.ticks <= 1, "{} without {part:?}", seen.ticks);
    }
}

#[test]
fn without_its_time_kvms_clock_goes_back() {
    if !kvm() {
        return;
    }
    let seen = without(&[Part::Clock], 1, |_| true, |seen| seen.lines > 1);
    assert!(seen.noticed(CLOCK_WENT_BACK), "{:?}", seen.after);
}

/// The debug registers and the pending events are not visible to this guest: no code of it reads
/// the first, and it has none of the second. What was set is read back.
#[test]
fn debug_registers_are_read_back_as_they_were_set() {
    if !kvm() {
        return;
    }
    let mut thread = attach();
    let machine = machine(&mut thread, 1, 0, &Output::default(), RunState::Paused);
    let vcpus = machine.running.vcpus().clone();
    let mut bql = thread.lock();
    vcpus.with_parked(&mut bql, 0, |vcpu| {
        let mut state = vcpu.read(&[IA32_TSC_DEADLINE]).expect("the state");
        state.debugregs.db = [0x1000, 0x2000, 0x3000, 0x4000];
        for part in [Part::DebugRegs, Part::Events] {
            vcpu.set(part, &state).expect("accepted");
        }
        let read = vcpu.read(&[IA32_TSC_DEADLINE]).expect("the state");
        assert_eq!(read.debugregs.db, state.debugregs.db);
    });
    drop(bql);
    machine.running.join(&mut thread);
}

#[test]
fn a_deadline_that_is_set_before_the_lapic_is_an_error_and_not_dropped() {
    if !kvm() {
        return;
    }
    let mut thread = attach();
    let output = Output::default();
    let source = machine(&mut thread, 1, 1000, &output, RunState::Paused);
    let mut saved = stop_when(&mut thread, source.running.vcpus(), sleeps);
    source.running.join(&mut thread);
    // Far enough that it does not pass meanwhile.
    let state = &mut saved.vcpus[0];
    for msr in state.msrs.iter_mut().filter(|msr| msr.index == IA32_TSC_DEADLINE) {
        msr.data += 1 << 40;
    }
    let other = machine(&mut thread, 1, 0, &output, RunState::InMigrate);
    let vcpus = other.running.vcpus().clone();
    let (early, late) = vcpus.with_parked(&mut thread.lock(), 0, |vcpu| {
        let early = vcpu.set(Part::TscDeadline, state);
        for part in [Part::Sregs, Part::Lapic, Part::Msrs] {
            vcpu.set(part, state).expect("accepted");
        }
        (early, vcpu.set(Part::TscDeadline, state))
    });
    other.running.join(&mut thread);
    let early = early.expect_err("the LAPIC is not in deadline mode");
    let KvmError::MsrDropped { vcpu: 0, index: IA32_TSC_DEADLINE, found: 0, .. } = early else {
        panic!("{early}");
    };
    late.expect("the LAPIC is in deadline mode");
}

#[test]
fn an_msr_that_kvm_does_not_set_is_an_error_with_its_index() {
    if !kvm() {
        return;
    }
    let mut thread = attach();
    let machine = machine(&mut thread, 1, 0, &Output::default(), RunState::Paused);
    let vcpus = machine.running.vcpus().clone();
    let refused = vcpus.with_parked(&mut thread.lock(), 0, |vcpu| {
        let mut state = vcpu.read(&[IA32_TSC_DEADLINE]).expect("the state");
        state.msrs = vec![
            Msr { index: 0xc000_0103, data: 5 },
            Msr { index: 0x1234_5678, data: 9 },
            Msr { index: 0xc000_0103, data: 6 },
        ];
        vcpu.set(Part::Msrs, &state)
    });
    machine.running.join(&mut thread);
    let error = refused.expect_err("there is no such MSR").to_string();
    assert_eq!(error, "vCPU 0: KVM does not set MSR 0x12345678 to 0x9");
}

/// A write to the serial port whose exit is not completed is made again by whoever gets that state.
#[test]
fn a_vcpu_that_leaves_in_the_middle_of_io_completes_it_before_its_state_is_read() {
    if !kvm() {
        return;
    }
    let mut thread = attach();
    let machine = machine(&mut thread, 1, 1000, &Output::default(), RunState::Paused);
    let vcpus = machine.running.vcpus().clone();
    let (before, after) = vcpus.with_parked(&mut thread.lock(), 0, |vcpu| {
        loop {
            match vcpu.fd.run().expect("an exit") {
                VcpuExit::IoOut(0x3f8, _) => break,
                VcpuExit::IoOut(..) => {}
                other => panic!("{other:?}"),
            }
        }
        let before = vcpu.fd.get_regs().expect("registers").rip;
        vcpu.fd.set_kvm_immediate_exit(1);
        let error = vcpu.fd.run().expect_err("it does not enter the guest");
        assert_eq!(error.errno(), libc::EINTR);
        vcpu.fd.set_kvm_immediate_exit(0);
        (before, vcpu.fd.get_regs().expect("registers").rip)
    });
    machine.running.join(&mut thread);
    // `out dx, al` has one byte. Some versions of KVM move on right at the exit.
    println!("rip {before:#x} at the exit, {after:#x} after it was completed");
    assert!(after == before + 1 || after == before, "{before:#x} {after:#x}");
}

#[test]
fn a_state_that_was_not_read_or_lies_about_its_counts_is_refused() {
    let mut bytes = Vec::new();
    vmstate::save(&VcpuState::default(), &mut bytes);
    let load = |bytes: &[u8]| {
        let mut input = Decoder::new(bytes);
        vmstate::load::<VcpuState, _>(&mut input, VcpuState::VERSION)
    };
    assert!(!load(&bytes).expect("a state").is_whole(), "it has no MSRs");
    // Whatever the counts say, no more is read than a vCPU can have.
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] = 0xff;
        wrong.resize(200 << 10, 0xff);
        if let Ok(state) = load(&wrong) {
            let msrs = state.msrs.len();
            assert!(msrs <= 256, "{msrs} MSRs by byte {at}");
        }
    }
}

#[test]
fn a_store_of_the_doorbell_that_is_lost_is_noticed() {
    if !kvm() {
        return;
    }
    let mut thread = attach();
    let output = Output::default();
    let source = machine(&mut thread, 1, 1000, &output, RunState::Paused);
    let saved = stop_when(&mut thread, source.running.vcpus(), |saved| saved.doorbell.rings > 2);
    let destination = machine(&mut thread, 1, 0, &output, RunState::InMigrate);
    let there = destination.running.vcpus().clone();
    {
        let mut bql = thread.lock();
        there.take_over(&mut bql, source.running.vcpus(), &saved, &[]).expect("accepted");
        there.lose_doorbell();
    }
    source.running.join(&mut thread);
    there.cont(&mut thread.lock());
    std::thread::sleep(LONG);
    let mut bql = thread.lock();
    there.stop(&mut bql);
    let positions = there.positions(&bql).expect("stopped");
    drop(bql);
    destination.running.join(&mut thread);
    assert!(positions[0].noticed.has(STALE_DOORBELL), "{positions:?}");
}
