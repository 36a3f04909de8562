//! Streams in the wrong order, commands from other threads, objects that race for one machine.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bql::BqlGuard;
use engine::{Direction, Endpoint, MigrationCapabilities, MigrationStatus, RunState, Uri};
use test_support::machine::{MANY_PAGES, Machine, Script, Site, attach};
use test_support::peer;
use test_support::stream::encoded;
use test_support::wait;
use wire::ram::{PageOffset, RamFlags};
use wire::{Command, Record, TARGET_PAGE_SIZE};

const READY: u32 = 0x4c52_4459;

fn whole() -> (Vec<u8>, Vec<u8>) {
    let mut out = peer::head();
    out.extend(encoded(&Record::Command(Command::OpenReturnPath)));
    out.extend(peer::memory_start(4, false));
    let mut tail = peer::memory_end_and_devices(false);
    let eof = tail.pop().expect("EOF");
    out.extend(tail);
    (out, vec![eof])
}

#[test]
fn a_source_that_keeps_no_order_is_refused_and_nothing_runs() {
    let ready = encoded(&Record::Command(Command::Ping(READY)));
    let (all, eof) = whole();
    let mut page = encoded(&Record::Part { section_id: 2 });
    let block = peer::block();
    wire::ram::encode_page_header(
        &mut page,
        PageOffset::containing(0),
        RamFlags::PAGE,
        Some(&block),
    );
    page.extend([7; TARGET_PAGE_SIZE]);
    page.extend(peer::end_of_section(false));
    let mut no_ram = peer::head();
    no_ram.extend(encoded(&Record::Command(Command::OpenReturnPath)));
    let mut half = no_ram.clone();
    half.extend(peer::memory_start(4, false));
    for (what, bytes) in [
        ("READY twice", [all.clone(), ready.clone(), ready.clone(), eof.clone()].concat()),
        ("pages after READY", [all.clone(), ready.clone(), page.clone(), eof.clone()].concat()),
        ("EOF without RAM", [no_ram.clone(), eof.clone()].concat()),
        ("READY without RAM", [no_ram, ready.clone(), eof.clone()].concat()),
        ("READY before the END of RAM", [half.clone(), ready.clone(), eof.clone()].concat()),
        ("EOF before the END of RAM", [half, eof.clone()].concat()),
        ("END of RAM twice", {
            let mut out = all.clone();
            out.extend(encoded(&Record::End { section_id: 2 }));
            out.extend(peer::end_of_section(false));
            out.extend(eof.clone());
            out
        }),
        ("READY and the end", [all.clone(), ready].concat()),
    ] {
        let mut thread = attach();
        let site = Site::destination(4, Script::default());
        let (endpoint, mut peer) = peer::pair();
        site.migrate_incoming(&mut thread, endpoint).expect("idle");
        let _ = peer.write_all(&bytes);
        let _ = peer.shutdown(std::net::Shutdown::Write);
        let status = site.end(&mut thread, Direction::Incoming);
        assert_eq!(status, MigrationStatus::Failed, "{what}");
        assert_eq!(site.machine.run_state(), RunState::InMigrate, "{what}");
        assert!(site.error(Direction::Incoming).is_some(), "{what}");
        site.object.cont(&mut thread.lock()).expect_err(what);
    }
}

/// From each hook, with the lock let go in between, everything that begins something is refused.
#[test]
fn hooks_and_notifiers_begin_nothing_beside_a_migration() {
    for (what, answer) in [("moves", 0), ("fails", 1)] {
        let mut thread = attach();
        let tried = Arc::new(AtomicUsize::new(0));
        let attack = |tried: &Arc<AtomicUsize>| {
            let tried = Arc::clone(tried);
            move |machine: &Machine, bql: &mut BqlGuard<'_>| {
                let object = machine.object();
                bql.unlocked(|_| {
                    std::thread::spawn(move || {
                        let mut thread = attach();
                        let mut bql = thread.lock();
                        object.cont(&mut bql).expect_err("cont");
                        let (endpoint, _peer) = peer::pair();
                        engine::migrate(object.clone(), &mut bql, endpoint).expect_err("migrate");
                        let (endpoint, _peer) = peer::pair();
                        engine::migrate_incoming(object.clone(), &mut bql, endpoint)
                            .expect_err("incoming");
                        object
                            .set_capabilities(&bql, MigrationCapabilities::default())
                            .expect_err("capabilities");
                    })
                    .join()
                    .expect("all is refused")
                });
                tried.fetch_add(1, Ordering::SeqCst);
            }
        };
        let script = || Script {
            stop: Some(Box::new(attack(&tried))),
            resume: Some(Box::new(attack(&tried))),
            moved: Some(Box::new(attack(&tried))),
            arrived: Some(Box::new(attack(&tried))),
            ..Script::default()
        };
        let source = Site::source(4, script());
        let mut there = script();
        if answer == 1 {
            there.settle = Some(Box::new(|_, _| Err(engine::SettleError::new("full"))));
        }
        let destination = Site::destination(4, there);
        let machine = source.machine.clone();
        let again = attack(&tried);
        let _notifier =
            source.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, _| {
                again(&machine, bql);
                Ok(())
            });
        let (here, peer) = peer::pair();
        let there = Endpoint::with_fd(Uri::Fd(0), peer.into());
        destination.migrate_incoming(&mut thread, there).expect("idle");
        source.migrate(&mut thread, here).expect("idle");
        let sent = source.end(&mut thread, Direction::Outgoing);
        let received = destination.end(&mut thread, Direction::Incoming);
        let error = (source.error(Direction::Outgoing), destination.error(Direction::Incoming));
        assert_eq!(sent == MigrationStatus::Completed, answer == 0, "{what}: {sent} {error:?}");
        assert_eq!(received, sent, "{what}: {error:?}");
        if answer == 0 {
            assert_eq!(error, (None, None));
        }
        assert_eq!(tried.load(Ordering::SeqCst), if answer == 0 { 5 } else { 4 }, "{what}");
        let runs = |site: &Site| site.machine.run_state() == RunState::Running;
        assert_eq!((runs(&source), runs(&destination)), (answer == 1, answer == 0));
    }
}

/// Two objects begin at once, over and over, while the last count of a third goes on a thread.
#[test]
fn a_machine_has_one_owner_whoever_begins_while_the_last_count_goes() {
    for _ in 0..200 {
        let mut thread = attach();
        let source = Site::source(4, Script::default());
        let host = source.host.clone();
        let (endpoint, peer) = peer::pair();
        source.migrate(&mut thread, endpoint).expect("idle");
        let Site { machine, object, .. } = source;
        object.cancel(&mut thread.lock(), Direction::Outgoing);
        drop(object);
        let mut begun = Vec::new();
        let racers: Vec<_> = (0..3)
            .map(|_| {
                let host = host.clone();
                std::thread::spawn(move || {
                    let object = engine::MigrationState::new(host).expect("an object");
                    let mut thread = attach();
                    for _ in 0..50 {
                        let (endpoint, peer) = peer::pair();
                        let ok =
                            engine::migrate(object.clone(), &mut thread.lock(), endpoint).is_ok();
                        if ok {
                            return Some((object, peer));
                        }
                        std::thread::yield_now();
                    }
                    None
                })
            })
            .collect();
        for racer in racers {
            begun.extend(racer.join().expect("a racer"));
        }
        assert!(begun.len() <= 1, "{} objects migrate it", begun.len());
        drop(peer);
        for (object, _) in &begun {
            object.cancel(&mut thread.lock(), Direction::Outgoing);
            object
                .observer(Direction::Outgoing)
                .wait(&mut thread, wait::DEADLINE, |status, _| status.is_terminal());
        }
        assert_eq!(machine.run_state(), RunState::Running);
    }
}

#[test]
fn a_late_cancel_of_a_command_leaves_the_machine_stopped() {
    let mut thread = attach();
    let source = Site::source(4, Script::default());
    let uri: Uri = "exec:cat > /dev/null; sleep 60".parse().expect("a uri");
    source.migrate(&mut thread, uri).expect("idle");
    let observer = source.observer(Direction::Outgoing);
    while observer.course().sent.is_none() {
        assert!(observer.is_running(), "{:?}", source.error(Direction::Outgoing));
        std::thread::yield_now();
    }
    source.cancel(&mut thread, Direction::Outgoing);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    source.assert_kept(&mut thread);
}

#[test]
fn the_record_says_dropped_after_the_machine_is() {
    struct Slow(Arc<AtomicUsize>);
    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::sleep(std::time::Duration::from_millis(300));
            self.0.store(1, Ordering::SeqCst);
        }
    }
    let mut thread = attach();
    let gone = Arc::new(AtomicUsize::new(0));
    let slow = std::sync::Mutex::new(Some(Slow(gone.clone())));
    let script = Script {
        log_stop: Some(Box::new(move |_| {
            let _ = slow.lock().map(|slow| slow.is_some());
        })),
        ..Script::default()
    };
    let Site { host, machine, object } = Site::source(MANY_PAGES, script);
    let life = object.life().clone();
    let (endpoint, peer) = peer::pair();
    engine::migrate(object.clone(), &mut thread.lock(), endpoint).expect("idle");
    drop((host, machine, object));
    drop(peer);
    assert!(life.wait_until_dropped(&mut thread, wait::DEADLINE));
    assert_eq!(gone.load(Ordering::SeqCst), 1);
}
