//! The statuses and their table agree, both ways. That the engine makes no transition that is
//! not in the table it checks itself, at each one; here every row that is claimed is driven.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bql::BqlUnlocked;
use engine::transitions::{Here, transitions};
use engine::{
    Direction, Endpoint, MigrationCapabilities, MigrationEvent, MigrationStatus, RunState,
    SettleError, Uri,
};
use test_support::machine::{MANY_PAGES, Script, Site, attach};
use test_support::peer;
use test_support::wait::DEADLINE;
use wire::ReturnMessage;

/// Every transition that was seen, by the names of the statuses.
#[derive(Default)]
struct Seen(BTreeSet<(&'static str, &'static str)>);

impl Seen {
    /// Waits for the end of a migration and takes its history.
    #[track_caller]
    fn take(
        &mut self,
        site: &Site,
        thread: &mut BqlUnlocked,
        direction: Direction,
        end: MigrationStatus,
    ) {
        assert_eq!(site.end(thread, direction), end, "{:?}", site.error(direction));
        let history = site.observer(direction).history();
        self.0.extend(history.windows(2).map(|pair| (pair[0].name(), pair[1].name())));
    }

    /// What was seen is what the table claims.
    fn compare(&self, direction: Direction) {
        let claimed: BTreeSet<_> = transitions(direction)
            .iter()
            .filter(|row| !matches!(row.here, Here::Not(_)))
            .map(|row| (row.from, row.to))
            .collect();
        let missing: Vec<_> = claimed.difference(&self.0).collect();
        assert!(missing.is_empty(), "{direction:?}: claimed and never reached: {missing:?}");
        let extra: Vec<_> = self.0.difference(&claimed).collect();
        assert!(extra.is_empty(), "{direction:?}: reached and not claimed: {extra:?}");
    }
}

/// A destination that takes the stream and answers.
fn takes_everything(peer: UnixStream, answer: ReturnMessage) {
    std::thread::spawn(move || {
        // A source that fails half-way is what some of the tests want.
        if peer::read_stream(&peer).is_ok() {
            let _ = peer::say(&peer, &answer);
        }
    });
}

/// Begins a migration to a destination that takes everything.
fn migrate_to_answer(site: &Site, thread: &mut BqlUnlocked, answer: ReturnMessage) {
    let (endpoint, peer) = peer::pair();
    takes_everything(peer, answer);
    site.migrate(thread, endpoint).expect("an idle object");
}

fn nowhere() -> Uri {
    Uri::Unix("/nonexistent/folder/socket".into())
}

fn wait_for(site: &Site, thread: &mut BqlUnlocked, direction: Direction, wanted: MigrationStatus) {
    let observer = site.observer(direction);
    let status = observer.wait(thread, DEADLINE, |status, _| status == wanted);
    assert_eq!(status, wanted, "{:?}", site.error(direction));
}

#[test]
fn every_outgoing_row_of_the_table_can_be_reached() {
    use MigrationStatus::{Cancelled, Completed, Failed, PreSwitchover};
    let out = Direction::Outgoing;
    let (mut seen, mut thread) = (Seen::default(), attach());

    let site = Site::source(4, Script::default());
    for _ in 0..2 {
        migrate_to_answer(&site, &mut thread, ReturnMessage::Shut(0));
        seen.take(&site, &mut thread, out, Completed);
        // Its user lets the machine run here again.
        site.machine.set_run_state(RunState::Running);
    }
    for _ in 0..2 {
        site.migrate(&mut thread, nowhere()).expect("an idle object");
        seen.take(&site, &mut thread, out, Failed);
    }

    // Cancelled at setup, and again; then the destination refuses.
    let site = Site::source(4, Script::default());
    let machine = Arc::clone(&site.machine);
    let cancels =
        site.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            if event == MigrationEvent::PrecopySetup {
                machine.cancel(bql);
            }
            Ok(())
        });
    for _ in 0..2 {
        migrate_to_answer(&site, &mut thread, ReturnMessage::Shut(0));
        seen.take(&site, &mut thread, out, Cancelled);
    }
    drop(cancels);
    migrate_to_answer(&site, &mut thread, ReturnMessage::Shut(1));
    seen.take(&site, &mut thread, out, Failed);

    // While memory is on its way: the peer goes, and a cancel.
    let site = Site::source(MANY_PAGES, Script::default());
    let (endpoint, peer) = peer::pair();
    site.migrate(&mut thread, endpoint).expect("an idle object");
    site.wait_until_active(&mut thread);
    drop(peer);
    seen.take(&site, &mut thread, out, Failed);
    let (endpoint, _reads_nothing) = peer::pair();
    site.migrate(&mut thread, endpoint).expect("an idle object");
    site.wait_until_active(&mut thread);
    site.cancel(&mut thread, out);
    seen.take(&site, &mut thread, out, Cancelled);

    // With the devices on their way: a cancel before the last byte, and one too late.
    let site = Site::source(
        4,
        Script {
            save: Some(Box::new(|machine| machine.begin_to_cancel())),
            sync: Some(Box::new(|machine, _| {
                machine.finish_cancelling();
                Ok(())
            })),
            ..Script::default()
        },
    );
    migrate_to_answer(&site, &mut thread, ReturnMessage::Shut(0));
    seen.take(&site, &mut thread, out, Cancelled);
    let site = Site::source(4, Script::default());
    let machine = Arc::clone(&site.machine);
    let _too_late =
        site.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            if event == MigrationEvent::PrecopyDone {
                machine.cancel(bql);
            }
            Ok(())
        });
    migrate_to_answer(&site, &mut thread, ReturnMessage::Shut(0));
    seen.take(&site, &mut thread, out, Completed);

    let site = Site::source(4, Script::default());
    let (endpoint, peer) = peer::pair();
    site.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    site.cancel(&mut thread, out);
    seen.take(&site, &mut thread, out, Failed);
    site.assert_kept(&mut thread);

    // In the pause before the devices: go on, each time anew, fail, cancel.
    let site = Site::source(4, Script::default());
    let pauses = MigrationCapabilities { pause_before_switchover: true, ..Default::default() };
    site.object.set_capabilities(&thread.lock(), pauses).expect("an idle object");
    for _ in 0..2 {
        migrate_to_answer(&site, &mut thread, ReturnMessage::Shut(0));
        wait_for(&site, &mut thread, out, PreSwitchover);
        let go_on = site.object.continue_from(&mut thread.lock(), MigrationStatus::Active);
        assert!(go_on.is_err(), "only from the status that it is in");
        assert!(site.object.set_capabilities(&thread.lock(), pauses).is_err(), "it runs");
        site.object.continue_from(&mut thread.lock(), PreSwitchover).expect("it waits");
        seen.take(&site, &mut thread, out, Completed);
        site.machine.set_run_state(RunState::Running);
    }
    let site = Site::source(4, Script::default());
    site.object.set_capabilities(&thread.lock(), pauses).expect("an idle object");
    migrate_to_answer(&site, &mut thread, ReturnMessage::Shut(0));
    wait_for(&site, &mut thread, out, PreSwitchover);
    site.object.fail(&mut thread.lock(), "the disk is on fire".into()).expect("it runs");
    seen.take(&site, &mut thread, out, Failed);
    assert_eq!(site.error(out).as_deref(), Some("a device reports: the disk is on fire"));
    site.assert_runs_on();
    migrate_to_answer(&site, &mut thread, ReturnMessage::Shut(0));
    wait_for(&site, &mut thread, out, PreSwitchover);
    site.cancel(&mut thread, out);
    seen.take(&site, &mut thread, out, Cancelled);
    site.assert_runs_on();

    seen.compare(out);
}

#[test]
fn every_incoming_row_of_the_table_can_be_reached() {
    use MigrationStatus::{Active, Cancelled, Completed, Failed};
    let into = Direction::Incoming;
    let (mut seen, mut thread) = (Seen::default(), attach());

    // Moves in twice, then from nowhere twice.
    let site = Site::destination(4, Script::default());
    for _ in 0..2 {
        site.machine.set_run_state(RunState::InMigrate);
        let (endpoint, peer) = peer::pair();
        let source = Site::source(4, Script::default());
        let peer = Endpoint::with_fd(Uri::Fd(0), peer.into());
        site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
        source.migrate(&mut thread, peer).expect("an idle object");
        seen.take(&site, &mut thread, into, Completed);
        source.end(&mut thread, Direction::Outgoing);
    }
    site.machine.set_run_state(RunState::InMigrate);
    for _ in 0..2 {
        site.migrate_incoming(&mut thread, nowhere()).expect("an idle object");
        seen.take(&site, &mut thread, into, Failed);
    }

    // Cancelled while it waits, and again; then what comes is no stream.
    let folder = tempfile::tempdir().expect("a folder");
    let site = Site::destination(4, Script::default());
    for _ in 0..2 {
        let place = Uri::Unix(folder.path().join("socket"));
        site.migrate_incoming(&mut thread, place).expect("an idle object");
        site.cancel(&mut thread, into);
        seen.take(&site, &mut thread, into, Cancelled);
    }
    let (endpoint, mut peer) = peer::pair();
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    peer.write_all(b"no stream at all").expect("a reader");
    seen.take(&site, &mut thread, into, Failed);

    // Cancelled half-way, and when it is too late.
    let (endpoint, mut peer) = peer::pair();
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    peer.write_all(&peer::head()).expect("a reader");
    wait_for(&site, &mut thread, into, Active);
    site.cancel(&mut thread, into);
    seen.take(&site, &mut thread, into, Cancelled);
    let site = Site::destination(
        4,
        Script {
            arrived: Some(Box::new(|machine, bql| {
                machine.object().cancel(bql, Direction::Incoming);
            })),
            ..Script::default()
        },
    );
    let (endpoint, peer) = peer::pair();
    let source = Site::source(4, Script::default());
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    let peer = Endpoint::with_fd(Uri::Fd(0), peer.into());
    source.migrate(&mut thread, peer).expect("an idle object");
    seen.take(&site, &mut thread, into, Completed);

    let site = Site::destination(
        4,
        Script {
            settle: Some(Box::new(|machine, thread| {
                machine.object().cancel(&mut thread.lock(), Direction::Incoming);
                Err(SettleError::new("no room for it"))
            })),
            ..Script::default()
        },
    );
    let (endpoint, peer) = peer::pair();
    let source = Site::source(4, Script::default());
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    let peer = Endpoint::with_fd(Uri::Fd(0), peer.into());
    source.migrate(&mut thread, peer).expect("an idle object");
    seen.take(&site, &mut thread, into, Failed);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), Failed);
    source.assert_runs_on();

    seen.compare(into);
}
