//! Faults: where the guest is, and what is said of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use machine::Ram;
use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{
    Direction, Endpoint, Host, MigrationCapabilities, MigrationParameters, MigrationStatus,
    Observer, RunState, Uri,
};

use crate::state::order::Part;
use crate::testing::{DEADLINE, attach, kvm, my_turn, pair, until};
use crate::vm::Vcpu;
use crate::{KvmMachine, LogKind, Position, Setup, VcpuThreads, Vcpus, fill_memory, kvm_machine};

const SEED: u64 = 7;

fn machine(
    thread: &mut BqlUnlocked,
    pages: usize,
    vcpus: usize,
    log: Option<LogKind>,
    state: RunState,
) -> (Host, VcpuThreads) {
    let ram = Arc::new(Ram::anonymous(pages << 12).expect("memory"));
    fill_memory(&ram, SEED, vcpus, || true);
    let setup = Setup { vcpus, seed: SEED, rate: 2000, log, ..Setup::default() };
    let KvmMachine { host, running, .. } =
        kvm_machine(thread, ram, setup, state).expect("a machine");
    (host, running)
}

fn file(path: &Path) -> Endpoint {
    Uri::File { path: path.to_owned(), offset: 0 }.into()
}

fn begin(bql: &mut BqlGuard<'_>, endpoint: Endpoint, bandwidth: u64) -> Observer {
    let parameters =
        MigrationParameters { max_bandwidth: bandwidth, ..MigrationParameters::default() };
    migration::set_parameters(bql, parameters).expect("parameters");
    migration::migrate(bql, endpoint).expect("an idle object");
    migration::observer(bql, Direction::Outgoing).expect("an object")
}

fn end(thread: &mut BqlUnlocked, observer: &Observer) -> (MigrationStatus, String) {
    let status = observer.wait(thread, DEADLINE, |status, _| status.is_terminal());
    let error = observer.error().map(|error| migration::error_chain(&*error));
    (status, error.unwrap_or_default())
}

/// Runs the machine for a moment, stops it, checks all of it, and lets it run.
fn goes_on(thread: &mut BqlUnlocked, vcpus: &Vcpus) -> Vec<Position> {
    let before = {
        let mut bql = thread.lock();
        assert_eq!(vcpus.run_state(&bql), RunState::Running);
        vcpus.stop(&mut bql);
        vcpus.positions(&bql).expect("stopped")
    };
    let mut after = before.clone();
    until("each vCPU writes", || {
        vcpus.cont(&mut thread.lock());
        std::thread::sleep(std::time::Duration::from_millis(5));
        let mut bql = thread.lock();
        vcpus.stop(&mut bql);
        after = vcpus.positions(&bql).expect("stopped");
        vcpus.verify_memory(&bql, &after).expect("every word");
        vcpus.cont(&mut bql);
        before.iter().zip(&after).all(|(before, after)| after.writes > before.writes)
    });
    for position in &after {
        assert!(position.faults == 0 && position.noticed.is_nothing(), "{}", position.noticed);
    }
    after
}

/// A way to break a vCPU, and what KVM calls the exit.
type Break = (fn(&mut Vcpu), &'static str);

/// No interrupt handler of the guest takes a general protection fault.
fn triple_fault(vcpu: &mut Vcpu) {
    let mut state = vcpu.read(&[]).expect("the state");
    state.regs.r15 = 0xdead << 48;
    vcpu.set(Part::Regs, &state).expect("accepted");
}

/// Below the 1 GiB that is mapped, and in no slot.
fn run_nowhere(vcpu: &mut Vcpu) {
    let mut state = vcpu.read(&[]).expect("the state");
    state.regs.rip = 0x2000_0000;
    vcpu.set(Part::Regs, &state).expect("accepted");
}

#[test]
fn a_vcpu_that_breaks_fails_the_migration_with_its_reason_and_is_in_internal_error() {
    if !kvm() {
        return;
    }
    let _turn = my_turn();
    let breaks: [Break; 2] =
        [(triple_fault, "KVM_EXIT_SHUTDOWN"), (run_nowhere, "KVM_EXIT_INTERNAL_ERROR")];
    for (breaks, name) in breaks {
        for during in [false, true] {
            let mut thread = attach();
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("stream");
            let (host, running) = machine(&mut thread, 1024, 2, None, RunState::Running);
            let vcpus = running.vcpus().clone();
            let object = migration::object_init(&mut thread.lock(), host).expect("no object");
            // It takes four seconds while it is to break, and an instant if it is broken.
            let begun =
                during.then(|| begin(&mut thread.lock(), file(&path), 1 << 20)).inspect(|begun| {
                    begun
                        .wait(&mut thread, DEADLINE, |status, _| status == MigrationStatus::Active);
                });
            {
                let mut bql = thread.lock();
                vcpus.stop(&mut bql);
                vcpus.with_parked(&mut bql, 1, breaks);
                vcpus.cont(&mut bql);
            }
            until("the vCPU breaks", || vcpus.run_state(&thread.lock()) == RunState::InternalError);
            let begun = begun.unwrap_or_else(|| begin(&mut thread.lock(), file(&path), 0));
            let ended = end(&mut thread, &begun);
            let (state, failure) = {
                let bql = thread.lock();
                (vcpus.run_state(&bql), vcpus.failure(&bql).expect("a reason"))
            };
            let retired = migration::shutdown(object, &mut thread.lock());
            retired.give_back(&mut thread);
            running.join(&mut thread);
            println!("{failure}");
            assert_eq!(ended.0, MigrationStatus::Failed, "{ended:?}");
            assert_eq!(ended.1, format!("a device reports: {failure}"));
            assert!(failure.starts_with("vCPU 1") && failure.contains(name), "{failure}");
            assert_eq!(state, RunState::InternalError);
            assert!(!path.exists(), "nothing half-made stays");
        }
    }
}

/// Cancels when the migration has this status.
fn cancelled(thread: &mut BqlUnlocked, observer: &Observer, at: Option<MigrationStatus>) {
    if let Some(at) = at {
        let reached = observer.wait(thread, DEADLINE, |status, _| status == at);
        assert_eq!(reached, at);
    }
    migration::cancel(&mut thread.lock(), Direction::Outgoing);
    let ended = end(thread, observer);
    assert_eq!(ended.0, MigrationStatus::Cancelled, "{ended:?}");
}

#[test]
fn a_migration_that_was_cancelled_in_any_phase_is_no_obstacle_for_the_next() {
    if !kvm() {
        return;
    }
    let _turn = my_turn();
    for log in LogKind::ALL {
        let mut thread = attach();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stream");
        let (host, running) = machine(&mut thread, 1024, 2, Some(log), RunState::Running);
        let vcpus = running.vcpus().clone();
        let object = migration::object_init(&mut thread.lock(), host).expect("no object");
        for at in [None, Some(MigrationStatus::Active)] {
            // Nobody reads, so it does not get far.
            let (endpoint, _peer) = pair();
            let begun = begin(&mut thread.lock(), endpoint, 1 << 20);
            cancelled(&mut thread, &begun, at);
            goes_on(&mut thread, &vcpus);
        }
        let pause = |bql: &mut BqlGuard<'_>, pause_before_switchover| {
            let capabilities = MigrationCapabilities {
                pause_before_switchover,
                ..MigrationCapabilities::default()
            };
            migration::set_capabilities(bql, capabilities).expect("capabilities");
        };
        pause(&mut thread.lock(), true);
        let begun = begin(&mut thread.lock(), file(&path), 0);
        cancelled(&mut thread, &begun, Some(MigrationStatus::PreSwitchover));
        goes_on(&mut thread, &vcpus);

        pause(&mut thread.lock(), false);
        let begun = begin(&mut thread.lock(), file(&path), 0);
        let ended = end(&mut thread, &begun);
        assert_eq!(ended.0, MigrationStatus::Completed, "{ended:?}");
        assert!(!vcpus.cont(&mut thread.lock()), "it has moved");
        let retired = migration::shutdown(object, &mut thread.lock());
        retired.give_back(&mut thread);
        running.join(&mut thread);

        let (ended, went_on) = received(&mut thread, &path, 1024, 2);
        assert_eq!(ended.0, MigrationStatus::Completed, "{log:?}: {ended:?}");
        assert!(went_on);
    }
}

/// Takes a machine out of a file, and returns how that ended and whether it goes on.
fn received(
    thread: &mut BqlUnlocked,
    path: &Path,
    pages: usize,
    vcpus: usize,
) -> ((MigrationStatus, String), bool) {
    let (host, running) = machine(thread, pages, vcpus, None, RunState::InMigrate);
    let object = migration::object_init(&mut thread.lock(), host).expect("no object");
    let observer = {
        let mut bql = thread.lock();
        migration::migrate_incoming(&mut bql, file(path)).expect("a machine that waits");
        migration::observer(&bql, Direction::Incoming).expect("an object")
    };
    let ended = end(thread, &observer);
    let arrived = ended.0 == MigrationStatus::Completed;
    if arrived {
        goes_on(thread, running.vcpus());
    }
    let state = running.vcpus().run_state(&thread.lock());
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(thread);
    running.join(thread);
    (ended, arrived && state == RunState::Running)
}

/// Sends a machine to a file.
fn sent(thread: &mut BqlUnlocked, folder: &Path, pages: usize, vcpus: usize) -> PathBuf {
    let path = folder.join("stream");
    let (host, running) = machine(thread, pages, vcpus, None, RunState::Running);
    let object = migration::object_init(&mut thread.lock(), host).expect("no object");
    let begun = begin(&mut thread.lock(), file(&path), 0);
    let ended = end(thread, &begun);
    assert_eq!(ended.0, MigrationStatus::Completed, "{ended:?}");
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(thread);
    running.join(thread);
    path
}

#[test]
fn a_state_that_does_not_fit_here_is_refused_with_what_differs() {
    if !kvm() {
        return;
    }
    let _turn = my_turn();
    let mut thread = attach();
    let folder = tempfile::tempdir().expect("a folder");
    let path = sent(&mut thread, folder.path(), 64, 2);
    for (pages, vcpus, words) in [
        (64, 1, "found section \"lastref-kvm-vcpu\" instance 1"),
        (64, 3, "the source has 2 vCPUs, and there are 3"),
        (65, 2, "ram"),
    ] {
        let (ended, _) = received(&mut thread, &path, pages, vcpus);
        assert_eq!(ended.0, MigrationStatus::Failed);
        assert!(ended.1.contains(words), "{words:?} in {}", ended.1);
    }

    // Another index in the place of IA32_TSC_AUX, of the last vCPU.
    let mut bytes = std::fs::read(&path).expect("a stream");
    let at = bytes.windows(4).rposition(|word| word == 0xc000_0103_u32.to_be_bytes());
    let Some(at) = at else {
        println!("SKIPPED: the vCPU has no IA32_TSC_AUX");
        return;
    };
    bytes[at..at + 4].copy_from_slice(&0x1234_5678_u32.to_be_bytes());
    std::fs::write(&path, &bytes).expect("room");
    let (ended, _) = received(&mut thread, &path, 64, 2);
    assert_eq!(ended.0, MigrationStatus::Failed);
    assert!(ended.1.contains("vCPU 1: KVM does not set MSR 0x12345678"), "{}", ended.1);
}

/// What a peer sends decides whether the guest goes on, and nothing else.
#[test]
fn a_state_with_a_wrong_byte_ends_in_an_error_or_in_a_guest_that_breaks() {
    if !kvm() {
        return;
    }
    let _turn = my_turn();
    let mut thread = attach();
    let folder = tempfile::tempdir().expect("a folder");
    let path = sent(&mut thread, folder.path(), 16, 1);
    let whole = std::fs::read(&path).expect("a stream");
    let find = |name: &[u8]| {
        let at = whole.windows(name.len()).position(|bytes| bytes == name);
        at.expect("a section")
    };
    let devices = find(b"lastref-kvm-guest")..find(b"globalstate");
    let (mut arrived, mut refused, mut random) = (0, 0, 7_u64);
    for _ in 0..100 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = whole.clone();
        let at = devices.start + (random >> 33) as usize % devices.len();
        bytes[at] ^= (random >> 20) as u8 | 1;
        std::fs::write(&path, &bytes).expect("room");
        let (host, running) = machine(&mut thread, 16, 1, None, RunState::InMigrate);
        let object = migration::object_init(&mut thread.lock(), host).expect("no object");
        let observer = {
            let mut bql = thread.lock();
            migration::migrate_incoming(&mut bql, file(&path)).expect("a machine that waits");
            migration::observer(&bql, Direction::Incoming).expect("an object")
        };
        let ended = end(&mut thread, &observer);
        match ended.0 {
            MigrationStatus::Completed => arrived += 1,
            MigrationStatus::Failed => refused += 1,
            other => panic!("{other} for byte {at}: {}", ended.1),
        }
        let retired = migration::shutdown(object, &mut thread.lock());
        retired.give_back(&mut thread);
        // It stops, whatever it does.
        running.join(&mut thread);
    }
    println!("{arrived} arrived, {refused} were refused");
    assert!(arrived > 0 && refused > 0, "{arrived} {refused}");
}
