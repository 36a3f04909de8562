//! What a log must not lose, by a guest that moves and notices.

use std::sync::Arc;

use machine::Ram;
use migration::bql::BqlUnlocked;
use migration::{Direction, MigrationParameters, MigrationStatus, RunState, Uri};

use super::{HostStores, LogKind};
use crate::build::build;
use crate::program::STALE_DOORBELL;
use crate::testing::{DEADLINE, attach, kvm, my_turn};
use crate::{KvmMachine, Position, Setup, Vcpus, fill_memory};

const PAGES: usize = 4096;
const SEED: u64 = 7;

/// Moves the machine by a file, which takes as long as the source's bandwidth says.
fn moves(
    thread: &mut BqlUnlocked,
    machine: KvmMachine,
    file: &std::path::Path,
    bandwidth: u64,
    body: impl FnOnce(&mut BqlUnlocked, &Vcpus),
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
    let status = observer.wait(thread, DEADLINE, |status, _| status.is_terminal());
    let error = observer.error().map(|error| migration::error_chain(&*error));
    assert_eq!(status, MigrationStatus::Completed, "{direction:?}: {error:?}");
    body(thread, &vcpus);
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(thread);
    running.join(thread);
}

/// Moves a guest while it runs, and returns where it is after it has printed again.
fn moved(kind: LogKind, stores: HostStores, rate: u64, ring_entries: u32) -> (Vec<Position>, u64) {
    let _turn = my_turn();
    let mut thread = attach();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("stream");
    let (mut full, mut positions) = (0, Vec::new());
    for state in [RunState::Running, RunState::InMigrate] {
        let ram = Arc::new(Ram::anonymous(PAGES << 12).expect("memory"));
        if state == RunState::Running {
            fill_memory(&ram, SEED, 1, || true);
        }
        let setup = Setup { seed: SEED, rate, log: Some(kind), ring_entries, ..Setup::default() };
        let machine = build(&mut thread, ram, setup, state, stores).expect("a machine");
        // The first pass takes half a second, in which the doorbell rings many times.
        moves(&mut thread, machine, &file, 24 << 20, |thread, vcpus| {
            if state == RunState::Running {
                full = vcpus.full_rings();
                return;
            }
            let printed = vcpus.printed(&thread.lock());
            let limit = std::time::Instant::now() + DEADLINE;
            loop {
                vcpus.cont(&mut thread.lock());
                std::thread::sleep(std::time::Duration::from_millis(10));
                let mut bql = thread.lock();
                vcpus.stop(&mut bql);
                if vcpus.printed(&bql) > printed + 100 {
                    positions = vcpus.positions(&bql).expect("stopped");
                    vcpus.verify_memory(&bql, &positions).expect("every word of `ram`");
                    break;
                }
                assert!(std::time::Instant::now() < limit, "{:?}", vcpus.failure(&bql));
            }
        });
    }
    (positions, full)
}

#[test]
fn the_log_of_kvm_alone_loses_what_a_device_of_the_host_stores() {
    if !kvm() {
        return;
    }
    for kind in [LogKind::Bitmap, LogKind::Ring] {
        let (positions, _) = moved(kind, HostStores::Lost, 1000, 1 << 16);
        assert!(positions[0].noticed.has(STALE_DOORBELL), "{kind:?}: {positions:?}");
    }
}

#[test]
fn no_log_loses_what_a_device_of_the_host_stores() {
    if !kvm() {
        return;
    }
    for kind in LogKind::ALL {
        let (positions, _) = moved(kind, HostStores::Marked, 1000, 1 << 16);
        assert!(positions[0].noticed.is_nothing(), "{kind:?}: {}", positions[0].noticed);
    }
}

#[test]
fn a_full_ring_slows_the_guest_down_and_loses_nothing() {
    if !kvm() {
        return;
    }
    let (positions, full) = moved(LogKind::Ring, HostStores::Marked, u64::MAX, 1024);
    assert!(full > 0, "the ring was never full");
    assert!(positions[0].noticed.is_nothing(), "{}", positions[0].noticed);
    assert_eq!(positions[0].faults, 0);
}
