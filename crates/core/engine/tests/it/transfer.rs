//! A machine moves, and all of it arrives.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::{
    Direction, Endpoint, LifeEventKind, MigrationParameters, MigrationState, MigrationStatus,
    RunState, Uri,
};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Machine, Script, Site, attach};
use test_support::peer;
use test_support::wait::DEADLINE;
use wire::{Command, Decoder, Record, ReturnMessage, TARGET_PAGE_SIZE, Wire};

const PAGES: usize = 100;

/// Moves the machine of `source` to `destination` over the URI, which the destination waits at.
pub(crate) fn transfer(source: &Site, destination: &Site, uri: Uri) {
    let mut thread = attach();
    destination.migrate_incoming(&mut thread, uri).expect("an idle object");
    let observer = destination.observer(Direction::Incoming);
    observer.wait(&mut thread, DEADLINE, |_, info| info.socket_address.is_some());
    let address = observer.info().socket_address.expect("a destination that waits");
    source.migrate(&mut thread, address).expect("an idle object");

    let sent = source.end(&mut thread, Direction::Outgoing);
    let received = destination.end(&mut thread, Direction::Incoming);
    assert_eq!(
        (sent, received),
        (MigrationStatus::Completed, MigrationStatus::Completed),
        "{:?}; {:?}",
        source.error(Direction::Outgoing),
        destination.error(Direction::Incoming)
    );
}

/// Nothing of a machine is missing at its destination.
#[track_caller]
pub(crate) fn assert_arrived(source: &Site, destination: &Site, state: RunState) {
    assert_eq!(source.machine.run_state(), RunState::PostMigrate);
    assert_eq!(destination.machine.run_state(), state);
    assert!(source.machine.contents() == destination.machine.contents(), "memory is equal");
    assert_eq!(destination.machine.counter.load(Ordering::Relaxed), 4711);
}

#[test]
fn a_machine_moves_between_two_objects_of_one_process_over_every_socket() {
    let folder = TempDir::new().expect("a folder");
    for uri in [
        Uri::Unix(folder.path().join("socket")),
        Uri::unix_abstract(""),
        Uri::Tcp("127.0.0.1:0".into()),
    ] {
        let source = Site::source(PAGES, Script::default());
        let destination = Site::destination(PAGES, Script::default());
        transfer(&source, &destination, uri);
        assert_arrived(&source, &destination, RunState::Running);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "no socket left");
}

#[test]
fn the_counters_of_both_sides_tell_pages_and_zero_pages() {
    let folder = TempDir::new().expect("a folder");
    let source = Site::source(PAGES, Script::default());
    let destination = Site::destination(PAGES, Script::default());
    transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));

    let sent = source.observer(Direction::Outgoing).info();
    let received = destination.observer(Direction::Incoming).info();
    for info in [&sent, &received] {
        assert_eq!((info.normal, info.duplicate), (PAGES as u64 / 2, PAGES as u64 / 2), "{info:?}");
        assert_eq!(info.total, (PAGES * TARGET_PAGE_SIZE) as u64);
        assert!(info.transferred > info.normal * TARGET_PAGE_SIZE as u64, "{info:?}");
    }
    assert_eq!(sent.remaining, 0);
    assert_eq!(sent.dirty_sync_count, source.machine.count("sync") as u64);
    assert!(sent.total_time >= sent.downtime && !sent.downtime.is_zero(), "{sent:?}");
}

#[test]
fn objects_of_one_process_do_not_see_each_other() {
    let folder = TempDir::new().expect("a folder");
    let bystander = Site::source(PAGES, Script::default());
    let (source, destination) =
        (Site::source(PAGES, Script::default()), Site::destination(PAGES, Script::default()));
    transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));

    for (site, direction) in [
        (&bystander, Direction::Outgoing),
        (&bystander, Direction::Incoming),
        (&source, Direction::Incoming),
        (&destination, Direction::Outgoing),
    ] {
        assert_eq!(site.object.status(direction), MigrationStatus::None);
        assert!(site.observer(direction).error().is_none());
        assert_eq!(site.observer(direction).info(), Default::default());
    }
    assert!(bystander.machine.trace().is_empty(), "{:?}", bystander.machine.trace());
}

#[test]
fn a_page_written_while_the_machine_moves_arrives_as_it_was_written_last() {
    let folder = TempDir::new().expect("a folder");
    let sync = |machine: &Machine, dirty: &mut engine::DirtyBitmap| {
        // A zero page becomes one with data, and the other way round.
        let nth = machine.count("sync") as u64;
        machine.write(1, nth);
        machine.write(2, 0);
        dirty.merge(0, 0b110);
        Ok(())
    };
    let source = Site::source(PAGES, Script { sync: Some(Box::new(sync)), ..Script::default() });
    let destination = Site::destination(PAGES, Script::default());
    transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));
    assert_arrived(&source, &destination, RunState::Running);
    assert!(source.machine.count("sync") > 1, "{:?}", source.machine.trace());
}

#[test]
fn a_machine_that_stood_still_stands_still_at_its_destination() {
    let folder = TempDir::new().expect("a folder");
    for state in [RunState::Paused, RunState::Prelaunch] {
        let source = Site::new(PAGES, state, Script::default());
        source.machine.counter.store(4711, Ordering::Relaxed);
        let destination = Site::destination(PAGES, Script::default());
        transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));
        assert_arrived(&source, &destination, state);
    }
}

#[test]
fn an_object_migrates_again_after_a_migration_that_failed() {
    let folder = TempDir::new().expect("a folder");
    let mut thread = attach();
    let source = Site::source(PAGES, Script::default());
    let nobody = Uri::Unix(folder.path().join("nobody"));
    source.migrate(&mut thread, nobody).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    drop(thread);

    let destination = Site::destination(PAGES, Script::default());
    transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));
    assert_arrived(&source, &destination, RunState::Running);
    assert_eq!(source.error(Direction::Outgoing), None, "the error of before is forgotten");
}

#[test]
fn a_ping_is_answered_by_a_pong_of_its_number() {
    let mut thread = attach();
    let (endpoint, mut peer) = peer::pair();
    let destination = Site::destination(PAGES, Script::default());
    destination.migrate_incoming(&mut thread, endpoint).expect("an idle object");

    let mut stream = peer::head();
    Record::Command(Command::OpenReturnPath).encode(&mut stream);
    for number in [7, u32::MAX] {
        Record::Command(Command::Ping(number)).encode(&mut stream);
    }
    peer.write_all(&stream).expect("a destination that reads");
    let mut answers = Decoder::new(&peer);
    for number in [7, u32::MAX] {
        let answer = ReturnMessage::decode(&mut answers).expect("an answer");
        assert_eq!(answer, ReturnMessage::Pong(number));
    }

    drop(peer);
    assert_eq!(destination.end(&mut thread, Direction::Incoming), MigrationStatus::Failed);
}

#[test]
fn the_source_completes_only_when_the_destination_says_that_it_has_everything() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(PAGES, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    assert_eq!(source.object.status(Direction::Outgoing), MigrationStatus::Device);
    assert_eq!(source.machine.run_state(), RunState::FinishMigrate);

    peer::say(&peer, &ReturnMessage::Shut(0)).expect("a source that listens");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);
    assert_eq!(source.machine.run_state(), RunState::PostMigrate);
}

#[test]
fn memory_is_not_sent_faster_than_the_bandwidth_limit() {
    const LIMIT: u64 = 16 << 20;
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(MANY_PAGES, Script::default());
    for page in 0..MANY_PAGES {
        source.machine.write(page, 1);
    }
    let parameters = MigrationParameters { max_bandwidth: LIMIT, ..Default::default() };
    source.object.set_parameters(&thread.lock(), parameters).expect("parameters in their range");
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    peer::say(&peer, &ReturnMessage::Shut(0)).expect("a source that listens");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Completed);

    let info = source.observer(Direction::Outgoing).info();
    assert!(info.transferred > (MANY_PAGES * TARGET_PAGE_SIZE) as u64, "{info:?}");
    let rate = info.transferred as f64 / info.total_time.as_secs_f64();
    assert!(rate <= 1.2 * LIMIT as f64, "{rate:.0} bytes a second, {info:?}");
}

#[test]
fn the_last_count_of_the_object_may_be_the_migration_threads() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let Site { machine, object, .. } = Site::source(MANY_PAGES, Script::default());
    let (life, observer) = (object.life().clone(), object.observer(Direction::Outgoing));
    let (weak, owner) = (Arc::downgrade(&object), object);
    engine::migrate(Arc::clone(&owner), &mut thread.lock(), endpoint).expect("an idle object");
    // The peer reads nothing: the thread has its count, and now nobody else has one.
    drop(owner);
    assert!(weak.upgrade().is_some(), "the thread keeps the object");
    drop(peer);

    assert!(life.wait_until_dropped(&mut thread, DEADLINE), "{:?}", life.events());
    let dropped = life.events().pop().expect("the last event");
    assert_eq!((dropped.what, dropped.thread.as_str()), (LifeEventKind::Dropped, "mig/src/main"));
    assert_eq!(observer.status(), MigrationStatus::Failed, "true when the object is gone");
    assert_eq!(machine.run_state(), RunState::Running);
}

#[test]
fn a_port_that_is_taken_is_told_with_the_uri() {
    let mut thread = attach();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let destination = Site::destination(PAGES, Script::default());
    let endpoint = Endpoint::from(Uri::Tcp(address.clone()));
    destination.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    assert_eq!(destination.end(&mut thread, Direction::Incoming), MigrationStatus::Failed);
    let error = destination.error(Direction::Incoming).expect("an error");
    assert!(
        error.starts_with(&format!("cannot wait for a migration at tcp:{address}: ")),
        "{error}"
    );
}

/// Both halves of an object are idle at first.
#[test]
fn a_new_object_has_migrated_nothing() {
    let Site { object, .. } = Site::source(1, Script::default());
    for direction in [Direction::Outgoing, Direction::Incoming] {
        assert_eq!(object.status(direction), MigrationStatus::None);
    }
    assert!(!MigrationState::thread_is_self(&object));
    assert_eq!(object.parameters(), MigrationParameters::default());
}
