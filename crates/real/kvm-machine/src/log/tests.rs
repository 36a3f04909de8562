//! What a log must not lose, by a guest that moves and notices.

use std::sync::Arc;

use machine::Ram;
use migration::bql::BqlUnlocked;
use migration::{Direction, MigrationParameters, MigrationStatus, RunState, Uri};

use super::{HostStores, LogKind};
use crate::build::build;
use crate::program::STALE_DOORBELL;
use crate::testing::{DEADLINE, attach, kvm, my_turn, until};
use crate::{KvmMachine, Position, Setup, Vcpus, fill_memory};

const PAGES: usize = 4096;
const SEED: u64 = 7;

/// Moves the machine by a file, which takes as long as the source's bandwidth says.
fn moves(
    thread: &mut BqlUnlocked,
    machine: KvmMachine,
    file: &std::path::Path,
    bandwidth: u64,
    body: impl FnOnce(&mut BqlUnlocked, &Vcpus, &Moved),
) {
    let KvmMachine { host, running, .. } = machine;
    let mut bql = thread.lock();
    let object = migration::object_init(&mut bql, host).expect("no object");
    let vcpus = running.vcpus().clone();
    let endpoint = Uri::File { path: file.to_owned(), offset: 0 }.into();
    let direction = match vcpus.run_state(&bql) {
        RunState::InMigrate => Direction::Incoming,
        _ => Direction::Outgoing,
    };
    let parameters = MigrationParameters {
        max_bandwidth: bandwidth,
        // So that the rest fits, however much the guest writes.
        downtime_limit: std::time::Duration::from_secs(10),
        ..MigrationParameters::default()
    };
    migration::set_parameters(&bql, parameters).expect("parameters");
    let observer = migration::observer(&bql, direction).expect("an object");
    let begun = match direction {
        Direction::Outgoing => migration::migrate(&mut bql, endpoint),
        Direction::Incoming => migration::migrate_incoming(&mut bql, endpoint),
    };
    begun.expect("an idle object");
    drop(bql);
    // A ring of the doorbell after this is after its page was sent, but perhaps for the first.
    observer.wait(thread, DEADLINE, |status, _| status == MigrationStatus::Active);
    let rung = vcpus.rings();
    let status = observer.wait(thread, DEADLINE, |status, _| status.is_terminal());
    let error = observer.error().map(|error| migration::error_chain(&*error));
    assert_eq!(status, MigrationStatus::Completed, "{direction:?}: {error:?}");
    let rung = vcpus.rings().saturating_sub(rung);
    body(thread, &vcpus, &Moved { rung, full: vcpus.full_rings(), positions: Vec::new() });
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(thread);
    running.join(thread);
}

/// A guest that has moved.
#[derive(Debug)]
struct Moved {
    /// Number of rings of the doorbell while memory was sent.
    rung: u64,
    /// Number of times that a ring of KVM's was full.
    full: u64,
    /// Where it was after it had printed again.
    positions: Vec<Position>,
}

/// Moves a guest while it runs, until there was enough to lose meanwhile. A host that is busy may
/// leave the guest no time.
fn moved(
    kind: LogKind,
    stores: HostStores,
    rate: u64,
    ring_entries: u32,
    enough: impl Fn(&Moved) -> bool,
) -> Moved {
    let _turn = my_turn();
    for _ in 0..30 {
        let moved = moved_once(kind, stores, rate, ring_entries);
        if enough(&moved) {
            return moved;
        }
    }
    panic!("the guest has no time while memory is sent");
}

fn moved_once(kind: LogKind, stores: HostStores, rate: u64, ring_entries: u32) -> Moved {
    let mut thread = attach();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("stream");
    let mut moved = Moved { rung: 0, full: 0, positions: Vec::new() };
    for state in [RunState::Running, RunState::InMigrate] {
        let ram = Arc::new(Ram::anonymous(PAGES << 12).expect("memory"));
        if state == RunState::Running {
            fill_memory(&ram, SEED, 1, || true);
        }
        let setup = Setup { seed: SEED, rate, log: Some(kind), ring_entries, ..Setup::default() };
        let machine = build(&mut thread, ram, setup, state, stores).expect("a machine");
        // The first pass takes half a second, in which the doorbell rings many times.
        moves(&mut thread, machine, &file, 24 << 20, |thread, vcpus, source| {
            if state == RunState::Running {
                (moved.rung, moved.full) = (source.rung, source.full);
                return;
            }
            let printed = vcpus.printed(&thread.lock());
            until("the guest prints", || {
                vcpus.cont(&mut thread.lock());
                std::thread::sleep(std::time::Duration::from_millis(10));
                let mut bql = thread.lock();
                vcpus.stop(&mut bql);
                assert_eq!(vcpus.failure(&bql), None);
                moved.positions = vcpus.positions(&bql).expect("stopped");
                vcpus.printed(&bql) > printed + 100
            });
            let verified = vcpus.verify_memory(&thread.lock(), &moved.positions);
            verified.expect("every word of `ram`");
        });
    }
    moved
}

/// Whether the doorbell rang while memory was sent.
fn rang(moved: &Moved) -> bool {
    moved.rung > 2
}

#[test]
fn the_log_of_kvm_alone_loses_what_a_device_of_the_host_stores() {
    if !kvm() {
        return;
    }
    for kind in [LogKind::Bitmap, LogKind::Ring] {
        let positions = moved(kind, HostStores::Lost, 1000, 1 << 16, rang).positions;
        assert!(positions[0].noticed.has(STALE_DOORBELL), "{kind:?}: {positions:?}");
    }
}

#[test]
fn no_log_loses_what_a_device_of_the_host_stores() {
    if !kvm() {
        return;
    }
    for kind in LogKind::ALL {
        let positions = moved(kind, HostStores::Marked, 1000, 1 << 16, rang).positions;
        assert!(positions[0].noticed.is_nothing(), "{kind:?}: {}", positions[0].noticed);
    }
}

#[test]
fn a_full_ring_slows_the_guest_down_and_loses_nothing() {
    if !kvm() {
        return;
    }
    let was_full = |moved: &Moved| moved.full > 0;
    let moved = moved(LogKind::Ring, HostStores::Marked, u64::MAX, 1024, was_full);
    let position = &moved.positions[0];
    assert!(position.noticed.is_nothing(), "{}", position.noticed);
    assert_eq!(position.faults, 0);
}
