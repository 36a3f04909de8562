//! The guest moves: what it counts, prints and sees goes on.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use kvm_machine::{KvmMachine, LogKind, Setup};
use migration::bql::BqlUnlocked;
use migration::{Direction, MigrationStatus, Observer, RunState, Uri};
use test_support::machine::attach;
use test_support::turn::my_turn;
use test_support::wait::DEADLINE;

use crate::support::{Output, kvm, machine, run_until};

fn end(thread: &mut BqlUnlocked, observer: &Observer) -> (MigrationStatus, Option<String>) {
    let status = observer.wait(thread, DEADLINE, |status, _| status.is_terminal());
    (status, observer.error().map(|error| migration::error_chain(&*error)))
}

/// Sends the machine of the migration object to a file, or takes one out of there.
pub(crate) fn moves(
    thread: &mut BqlUnlocked,
    direction: Direction,
    path: &Path,
) -> (MigrationStatus, Option<String>) {
    let mut bql = thread.lock();
    let observer = migration::observer(&bql, direction).expect("an object");
    let endpoint = Uri::File { path: path.to_owned(), offset: 0 }.into();
    match direction {
        Direction::Outgoing => migration::migrate(&mut bql, endpoint).expect("an idle object"),
        Direction::Incoming => {
            migration::migrate_incoming(&mut bql, endpoint).expect("a machine that waits");
        }
    }
    drop(bql);
    end(thread, &observer)
}

/// Moves a machine in one direction, and gives its object back.
pub(crate) fn with_object<R>(
    thread: &mut BqlUnlocked,
    machine: KvmMachine,
    body: impl FnOnce(&mut BqlUnlocked, &kvm_machine::Vcpus) -> R,
) -> R {
    let KvmMachine { host, running, .. } = machine;
    let object = migration::object_init(&mut thread.lock(), host).expect("no object");
    let vcpus = running.vcpus().clone();
    let done = body(thread, &vcpus);
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(thread);
    running.join(thread);
    done
}

#[test]
fn no_write_and_no_character_is_lost_or_doubled() {
    if !kvm() {
        return;
    }
    let _turn = my_turn();
    let mut thread = attach();
    for log in LogKind::ALL {
        for (vcpus, pages, rate) in
            [(1, 4096, 20_000), (2, 4097, u64::MAX), (3, 777, 100_000), (8, 2048, 1000)]
        {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("stream");
            let output = Output::default();
            let setup = || Setup {
                vcpus,
                rate,
                log: Some(log),
                serial: Box::new(output.clone()),
                ..Setup::default()
            };
            let source = machine(&mut thread, pages, setup(), RunState::Paused);
            assert_eq!(source.log, log);
            let sent = with_object(&mut thread, source, |thread, vcpus| {
                run_until(thread, vcpus, "writes", |positions| {
                    positions.iter().all(|position| position.writes > 10)
                });
                vcpus.cont(&mut thread.lock());
                let ended = moves(thread, Direction::Outgoing, &file);
                assert_eq!(ended.0, MigrationStatus::Completed, "{ended:?}");
                let bql = thread.lock();
                assert_eq!(vcpus.run_state(&bql), RunState::PostMigrate);
                (vcpus.positions(&bql).expect("stopped"), vcpus.printed(&bql))
            });
            assert_eq!(sent.1, output.bytes().len() as u64);
            let destination = machine(&mut thread, pages, setup(), RunState::InMigrate);
            with_object(&mut thread, destination, |thread, vcpus| {
                let ended = moves(thread, Direction::Incoming, &file);
                assert_eq!(ended.0, MigrationStatus::Completed, "{ended:?}");
                {
                    let bql = thread.lock();
                    let sent: Vec<u64> = sent.0.iter().map(|at| at.writes).collect();
                    assert_eq!(vcpus.arrived(&bql), sent, "where the source stopped");
                    assert_eq!(vcpus.run_state(&bql), RunState::Running);
                }
                let ticks = vcpus.pit_ticks();
                let before = output.bytes().len();
                let positions = run_until(thread, vcpus, "writes", |positions| {
                    output.bytes().len() > before + 100
                        && vcpus.pit_ticks() > ticks + 1
                        && positions.iter().zip(&sent.0).all(|(now, then)| now.writes > then.writes)
                });
                for position in &positions {
                    assert_eq!(position.faults, 0, "{log:?} {positions:?}");
                    assert!(position.noticed.is_nothing(), "{log:?}: {}", position.noticed);
                }
                vcpus.verify_memory(&thread.lock(), &positions).expect("every word");
                let lines =
                    vcpus.verify_lines(&thread.lock(), positions[0].writes, &output.bytes());
                assert!(lines.expect("every character") > 2);
            });
        }
    }
}

/// A serial port that takes a millisecond for a byte, so that most stops come in the middle of a
/// line.
struct Slow(Output);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::sleep(Duration::from_millis(1));
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_is_cut_by_the_move_is_continued_at_its_next_character() {
    if !kvm() {
        return;
    }
    let _turn = my_turn();
    let mut thread = attach();
    for round in 0..5 {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stream");
        let output = Output::default();
        let setup =
            || Setup { rate: 10_000, serial: Box::new(Slow(output.clone())), ..Setup::default() };
        let source = machine(&mut thread, 64, setup(), RunState::Paused);
        with_object(&mut thread, source, |thread, vcpus| {
            run_until(thread, vcpus, "a cut line", |_| output.bytes().len() % 34 > round * 6);
            let ended = moves(thread, Direction::Outgoing, &file);
            assert_eq!(ended.0, MigrationStatus::Completed, "{ended:?}");
        });
        let cut = output.bytes().len();
        assert_ne!(cut % 34, 0);
        let destination = machine(&mut thread, 64, setup(), RunState::InMigrate);
        with_object(&mut thread, destination, |thread, vcpus| {
            let ended = moves(thread, Direction::Incoming, &file);
            assert_eq!(ended.0, MigrationStatus::Completed, "{ended:?}");
            assert_eq!(vcpus.run_state(&thread.lock()), RunState::Paused);
            let positions = run_until(thread, vcpus, "lines", |_| output.bytes().len() > cut + 68);
            let bql = thread.lock();
            let lines = vcpus.verify_lines(&bql, positions[0].writes, &output.bytes());
            lines.expect("every character");
            assert_eq!(vcpus.printed(&bql), output.bytes().len() as u64);
        });
    }
}
