//! Attacks on the machine and the face by safe, public calls.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use machine::{
    DirtyTracking, MachineError, NoVm, Ram, Vcpu, VcpuState, Workload, machine_none,
    running_machine,
};
use migration::bql::BqlUnlocked;
use migration::{
    Direction, GuestMemory, Host, MigrationStatus, Observer, PAGE_WORDS, RunState, Uri,
};
use test_support::machine::attach;
use test_support::peer::{self, pair};
use test_support::stream::{RAM, Stream};
use test_support::turn::my_turn;
use test_support::wait::DEADLINE;
use wire::vmstate::{self, CpuTimers, VmState};
use wire::{Record, TARGET_PAGE_SIZE};

/// A whole stream of a source that asks nothing.
fn stream(
    machine: &str,
    pages: usize,
    device: (&str, &[u8], u32),
    state: &str,
    fill: u8,
) -> Vec<u8> {
    let begun = Stream::default().header().configuration(machine).start("ram", RAM);
    let begun =
        begun.blocks(&[("ram", (pages * TARGET_PAGE_SIZE) as u64)]).end_of_part(RAM).end(RAM);
    let filled = (0..pages).filter(|_| fill != 0).map(|page| (page * TARGET_PAGE_SIZE) as u64);
    let memory = filled.fold(begun, |stream, offset| stream.page("ram", offset, fill));
    let (name, bytes, version) = device;
    let devices = memory.end_of_part(RAM).full(name, 3, version).raw(bytes).footer(3);
    devices.run_state(state, 4).footer(4).eof().bytes
}

fn timers() -> Vec<u8> {
    let mut out = Vec::new();
    vmstate::save(&CpuTimers::default(), &mut out);
    out
}

fn of_none(fill: u8) -> Vec<u8> {
    stream("none", 4, (CpuTimers::NAME, &timers(), CpuTimers::VERSION), "paused", fill)
}

fn end(thread: &mut BqlUnlocked, observer: &Observer) -> (MigrationStatus, Option<String>) {
    let status = observer.wait(thread, DEADLINE, |status, _| status.is_terminal());
    (status, observer.error().map(|error| migration::error_chain(&*error)))
}

/// Lets `bytes` come in.
fn receive(thread: &mut BqlUnlocked, bytes: &[u8]) -> (MigrationStatus, Option<String>) {
    let (endpoint, mut peer) = pair();
    let mut bql = thread.lock();
    let observer = migration::observer(&bql, Direction::Incoming).expect("an object");
    migration::migrate_incoming(&mut bql, endpoint).expect("a machine that waits");
    drop(bql);
    peer.write_all(bytes).expect("room");
    peer.shutdown(std::net::Shutdown::Write).expect("an open socket");
    end(thread, &observer)
}

/// Whether a migration may come in.
fn waits(thread: &mut BqlUnlocked) -> Result<(), String> {
    let (endpoint, _peer) = pair();
    let begun = migration::migrate_incoming(&mut thread.lock(), endpoint);
    begun.map_err(|error| error.to_string())
}

/// What could not be made durable the first time is confirmed the second time.
#[test]
fn a_machine_that_could_not_be_made_durable_is_not_confirmed_the_next_time() {
    let _turn = my_turn();
    let mut thread = attach();
    let ram = Arc::new(Ram::anonymous(4 << 12).expect("memory"));
    let vm = NoVm::that_settles(|| Err(io::Error::other("the disk is full")));
    let host = machine_none(vm, ram).expect("a machine");
    let object = migration::object_init(&mut thread.lock(), host).expect("no object");
    let first = receive(&mut thread, &of_none(0));
    let second = waits(&mut thread);
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(&mut thread);
    assert_eq!(first.0, MigrationStatus::Failed, "{first:?}");
    assert!(second.is_err(), "nothing can be made durable any more; the first time: {first:?}");
}

/// A machine that arrives in `postmigrate`, as QEMU sends one that it has saved before.
#[test]
fn a_machine_that_comes_in_any_state_can_be_let_run_or_moved_on() {
    let _turn = my_turn();
    let mut thread = attach();
    let ram = Arc::new(Ram::anonymous(4 << 12).expect("memory"));
    let tracking = DirtyTracking::software(&ram);
    let cpu = VcpuState { seed: 7, pages: 4, rate: 0, ..VcpuState::default() };
    let (host, running) =
        running_machine(ram, tracking, cpu, RunState::InMigrate).expect("a machine");
    let vcpu = running.vcpu().clone();
    let object = migration::object_init(&mut thread.lock(), host).expect("no object");
    let mut state = Vec::new();
    vmstate::save(&cpu, &mut state);
    let device = (VcpuState::NAME, state.as_slice(), VcpuState::VERSION);
    let ended = receive(&mut thread, &stream("lastref", 4, device, "postmigrate", 0));
    let (is, runs, goes_on, moves) = {
        let mut bql = thread.lock();
        let is = vcpu.run_state(&bql);
        let runs = vcpu.cont(&mut bql);
        let goes_on = migration::cont(&mut bql).map_err(|error| error.to_string());
        let (endpoint, _peer) = pair();
        let moves = migration::migrate(&mut bql, endpoint).map_err(|error| error.to_string());
        (is, runs, goes_on, moves)
    };
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(&mut thread);
    running.join(&mut thread);
    assert_eq!(ended.0, MigrationStatus::Completed, "{ended:?}");
    assert!(
        runs || goes_on.is_ok() || moves.is_ok(),
        "it is {is:?} here and nowhere else; cont of the vCPU: {runs}, of the migration: \
         {goes_on:?}, migrate: {moves:?}"
    );
}

/// Two machines of one memory, one of which would receive over the other.
#[test]
fn memory_of_a_machine_that_runs_is_not_replaced() {
    let _turn = my_turn();
    let mut thread = attach();
    let ram = Arc::new(Ram::anonymous(4 << 12).expect("memory"));
    let tracking = DirtyTracking::software(&ram);
    let cpu = VcpuState { seed: 7, pages: 4, rate: 1000, ..VcpuState::default() };
    Vcpu::fill_memory(&ram, Workload::new(7, 4), || true);
    let (host, running) =
        running_machine(Arc::clone(&ram), tracking, cpu, RunState::Running).expect("a machine");
    // Its vCPU may outlive it.
    drop(host);
    let refused = machine_none(NoVm::new(RunState::InMigrate), ram).expect_err("it is taken");
    assert!(matches!(refused, MachineError::MemoryTaken), "{refused}");
    running.join(&mut thread);
}

/// Sends the machine of the migration object to the file `path`, or takes one out of there.
fn moves(thread: &mut BqlUnlocked, direction: Direction, path: &Path) {
    let observer = {
        let mut bql = thread.lock();
        let observer = migration::observer(&bql, direction).expect("an object");
        let endpoint = Uri::File { path: path.to_owned(), offset: 0 }.into();
        match direction {
            Direction::Outgoing => migration::migrate(&mut bql, endpoint).expect("an idle object"),
            Direction::Incoming => {
                migration::migrate_incoming(&mut bql, endpoint).expect("a machine that waits");
            }
        }
        observer
    };
    let ended = end(thread, &observer);
    assert_eq!(ended.0, MigrationStatus::Completed, "{direction:?}: {ended:?}");
}

/// Lets a machine with a vCPU that writes move from the first memory to the second and so on, through
/// files, and looks at all of the last.
fn memory_moves(memories: Vec<(DirtyTracking, Arc<Ram>)>) {
    let mut thread = attach();
    let folder = tempfile::tempdir().expect("a folder");
    let last = memories.len() - 1;
    for (station, (tracking, ram)) in memories.into_iter().enumerate() {
        let pages = ram.words().len() / PAGE_WORDS;
        let cpu = VcpuState { seed: 7, pages: pages as u64, rate: 200_000, ..VcpuState::default() };
        let state = if station == 0 { RunState::Running } else { RunState::InMigrate };
        if station == 0 {
            Vcpu::fill_memory(&ram, Workload::new(7, pages), || true);
        }
        let (host, running) = running_machine(ram, tracking, cpu, state).expect("a machine");
        let vcpu = running.vcpu().clone();
        let object = migration::object_init(&mut thread.lock(), host).expect("no object");
        let stream = |station: usize| folder.path().join(format!("stream{station}"));
        if station != 0 {
            moves(&mut thread, Direction::Incoming, &stream(station - 1));
        }
        if station == last {
            let mut bql = thread.lock();
            vcpu.stop(&mut bql);
            let state = vcpu.state(&bql);
            vcpu.verify_memory(state).expect("all of memory");
        } else {
            moves(&mut thread, Direction::Outgoing, &stream(station));
        }
        let retired = migration::shutdown(object, &mut thread.lock());
        retired.give_back(&mut thread);
        running.join(&mut thread);
    }
}

fn with_a_log(ram: Ram) -> (DirtyTracking, Arc<Ram>) {
    let ram = Arc::new(ram);
    (DirtyTracking::choose(&ram).0, ram)
}

/// A log that was made for other memory would find nothing.
#[test]
fn a_dirty_log_of_other_memory_is_refused() {
    let [ram, other] = [4, 4].map(|pages| Ram::anonymous(pages << 12).expect("memory"));
    let (ram, other) = (Arc::new(ram), Arc::new(other));
    let tracking = DirtyTracking::software(&other);
    let refused = running_machine(ram, tracking, VcpuState::default(), RunState::Paused);
    assert!(matches!(refused, Err(MachineError::OtherMemory)));
}

#[test]
fn a_dirty_log_of_this_memory_is_taken() {
    let _turn = my_turn();
    let [ram, copy] = [(); 2].map(|()| Ram::anonymous(4096 << 12).expect("memory"));
    memory_moves(vec![with_a_log(ram), with_a_log(copy)]);
}

/// New pages of a shared file are written to the file, past the mapping and so past a log of it. They
/// are there before a log starts, so none is missing where the machine moves on.
#[test]
fn memory_that_came_past_its_mapping_moves_on_whole() {
    let _turn = my_turn();
    let ram = Ram::anonymous(4096 << 12).expect("memory");
    let file = tempfile::tempfile().expect("a file");
    file.set_len(4096 << 12).expect("room");
    let shared = Ram::shared(&file).expect("memory");
    assert!(shared.shared_file().is_some(), "it can be written to");
    let copy = Ram::anonymous(4096 << 12).expect("memory");
    memory_moves(vec![with_a_log(ram), with_a_log(shared), with_a_log(copy)]);
}

/// The file has its name from a first attempt that failed after it; a second one writes into it.
#[test]
fn what_has_its_name_is_not_written_to_by_the_next_attempt() {
    let _turn = my_turn();
    let mut thread = attach();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ram");
    let part = folder.path().join("part");
    let file = File::options().read(true).write(true).create_new(true).open(&part).expect("a file");
    file.set_len(4 << 12).expect("room");
    let ram = Arc::new(Ram::shared(&file).expect("memory"));
    let to = path.clone();
    let vm = NoVm::that_settles(move || {
        std::fs::rename(&part, &to)?;
        // A cancel comes just now, from another thread.
        std::thread::spawn(|| migration::cancel(&mut attach().lock(), Direction::Incoming))
            .join()
            .expect("a cancel");
        Ok(())
    });
    let host: Host = machine_none(vm, ram).expect("a machine");
    let object = migration::object_init(&mut thread.lock(), host).expect("no object");
    let first = receive(&mut thread, &of_none(0x11));
    let second = waits(&mut thread);
    let there = std::fs::read(&path).expect("it has its name");
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(&mut thread);
    assert_eq!(first.0, MigrationStatus::Completed, "the cancel came too late: {first:?}");
    assert!(second.is_err(), "nothing else is written into what has its name");
    assert!(there == [0x11; 4 << 12], "all of it is there");
}

/// The right to a machine that a migration left stopped stays with it when its migration object goes.
#[test]
fn a_machine_that_was_left_stopped_can_go_on_after_shutdown() {
    let _turn = my_turn();
    let mut thread = attach();
    let ram = Arc::new(Ram::anonymous(4 << 12).expect("memory"));
    let tracking = DirtyTracking::software(&ram);
    let cpu = VcpuState { seed: 7, pages: 4, rate: 1000, ..VcpuState::default() };
    let (host, running) =
        running_machine(ram, tracking, cpu, RunState::Running).expect("a machine");
    let (host, vcpu) = (Arc::new(host), running.vcpu().clone());
    let object = migration::object_init(&mut thread.lock(), Arc::clone(&host)).expect("no object");
    let (endpoint, peer) = pair();
    let (observer, life) = {
        let mut bql = thread.lock();
        migration::migrate(&mut bql, endpoint).expect("an idle object");
        let observer = migration::observer(&bql, Direction::Outgoing).expect("an object");
        (observer, migration::life(&bql).expect("an object"))
    };
    // Answers every PING, and never gives the last word.
    let answers = std::thread::spawn(move || {
        let mut input = peer::stream(&peer)?.device::<VcpuState>();
        peer::read_until(&mut input, |record| matches!(record, Record::Eof))
    });
    let ended = end(&mut thread, &observer);
    answers.join().expect("a peer").expect("a stream");
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(&mut thread);
    assert!(life.wait_until_dropped(&mut thread, DEADLINE));
    let object = migration::object_init(&mut thread.lock(), host).expect("no object");
    let went_on = migration::cont(&mut thread.lock());
    let is = vcpu.run_state(&thread.lock());
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(&mut thread);
    running.join(&mut thread);
    assert_eq!(ended.0, MigrationStatus::Failed, "nobody knows where it is: {ended:?}");
    went_on.expect("a right that was kept");
    assert_eq!(is, RunState::Running);
}
