//! A vCPU that is told to stop has stopped, whoever else tells it what, and one that breaks keeps
//! nobody waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use machine::{DirtyTracking, Ram, Vcpu, VcpuState, VcpuThread, Workload, running_machine};
use migration::{Direction, Host, MigrationStatus, RunState, Uri};
use test_support::machine::attach;
use test_support::turn::my_turn;
use test_support::wait::DEADLINE;

const PAGES: usize = 16;

/// A machine that runs and writes to `rate` pages a second.
fn writing(rate: u64) -> VcpuThread {
    machine(PAGES, VcpuState { rate, ..VcpuState::default() }, RunState::Running).1
}

fn machine(pages: usize, cpu: VcpuState, state: RunState) -> (Host, VcpuThread) {
    let ram = Arc::new(Ram::anonymous(pages << 12).expect("memory"));
    let cpu = VcpuState { seed: 7, pages: pages as u64, ..cpu };
    Vcpu::fill_memory(&ram, Workload::new(cpu.seed, pages), || true);
    let tracking = DirtyTracking::software(&ram);
    running_machine(ram, tracking, cpu, state).expect("a machine")
}

/// Runs `body` on a thread, which must come to its end.
fn must_end(what: &str, body: impl FnOnce() + Send + 'static) {
    let (ends, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        // The test does not listen any more if it took too long.
        let _ = ends.send(());
    });
    match ended.recv_timeout(DEADLINE) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: nobody ever stops waiting"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {}
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn whoever_stops_a_vcpu_finds_it_stopped_also_where_another_does_so_too() {
    must_end("two stops", || {
        let running = writing(50_000_000);
        let at_once = Arc::new(Barrier::new(2));
        for _ in 0..200 {
            running.vcpu().cont(&mut attach().lock());
            let stoppers: Vec<_> = (0..2)
                .map(|_| {
                    let (vcpu, at_once) = (running.vcpu().clone(), Arc::clone(&at_once));
                    thread::spawn(move || {
                        let mut thread = attach();
                        at_once.wait();
                        let mut bql = thread.lock();
                        vcpu.stop(&mut bql);
                        // With the lock held nobody lets it run again: memory is what its state says.
                        let stopped = vcpu.state(&bql);
                        vcpu.verify_memory(stopped).expect("a vCPU that stands still");
                    })
                })
                .collect();
            for stopper in stoppers {
                stopper.join().expect("a vCPU that had stopped");
            }
        }
        running.join(&mut attach());
    });
}

#[test]
fn a_cont_beside_a_stop_does_not_keep_the_stop_waiting() {
    must_end("stop and cont", || {
        // It sleeps most of the time, and so comes out late: a `cont` has time to come in between.
        let running = writing(1000);
        for _ in 0..20 {
            let (vcpu, stopped) = (running.vcpu().clone(), Arc::new(AtomicBool::new(false)));
            let stopper = thread::spawn({
                let (vcpu, stopped) = (vcpu.clone(), Arc::clone(&stopped));
                move || {
                    vcpu.stop(&mut attach().lock());
                    stopped.store(true, Ordering::SeqCst);
                }
            });
            let mut thread = attach();
            while !stopped.load(Ordering::SeqCst) {
                vcpu.cont(&mut thread.lock());
                thread::yield_now();
            }
            stopper.join().expect("no panic");
            drop(thread);
        }
        running.join(&mut attach());
    });
}

#[test]
fn a_position_that_no_vcpu_can_count_on_from_is_refused() {
    let _turn = my_turn();
    let folder = tempfile::tempdir().expect("a folder");
    let file = Uri::File { path: folder.path().join("stream"), offset: 0 };
    let mut thread = attach();
    let far = VcpuState { position: u64::MAX - 1, ..VcpuState::default() };
    for (cpu, state, direction, ends) in [
        (far, RunState::Paused, Direction::Outgoing, MigrationStatus::Completed),
        (VcpuState::default(), RunState::InMigrate, Direction::Incoming, MigrationStatus::Failed),
    ] {
        let (host, running) = machine(PAGES, cpu, state);
        let mut bql = thread.lock();
        let object = migration::object_init(&mut bql, host).expect("the only object");
        let observer = migration::observer(&bql, direction).expect("made above");
        match direction {
            Direction::Outgoing => migration::migrate(&mut bql, file.clone().into()),
            Direction::Incoming => migration::migrate_incoming(&mut bql, file.clone().into()),
        }
        .expect("an idle object");
        drop(bql);
        let status = observer.wait(&mut thread, DEADLINE, |status, _| status.is_terminal());
        assert_eq!(status, ends);
        let error = observer.error().map(|error| migration::error_chain(&*error));
        if direction == Direction::Incoming {
            let error = error.expect("an error");
            assert!(error.contains("its workload has done 18446744073709551614 writes"), "{error}");
        }
        let retired = migration::shutdown(object, &mut thread.lock());
        retired.give_back(&mut thread);
        running.join(&mut thread);
    }
}
