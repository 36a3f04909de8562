//! What was reached is decided before anything is cleaned up, and nothing changes it then.

use engine::{Direction, MigrationError, MigrationEvent, MigrationStatus};
use test_support::machine::{MANY_PAGES, Script, Site, attach};
use test_support::peer;

#[test]
fn a_cancel_while_a_failed_migration_is_cleaned_up_changes_nothing_of_its_end() {
    let mut thread = attach();
    let source = Site::source(MANY_PAGES, Script::default());
    let machine = source.machine.clone();
    let _cancels =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            if event == MigrationEvent::PrecopyFailed {
                machine.cancel(bql);
            }
            Ok(())
        });
    let (endpoint, peer) = peer::pair();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.wait_until_active(&mut thread);
    drop(peer);
    let status = source.end(&mut thread, Direction::Outgoing);
    let error = source.observer(Direction::Outgoing).error().expect("an error");
    assert!(matches!(*error, MigrationError::PeerClosed { .. }), "{error:?}");
    assert_eq!(status, MigrationStatus::Failed, "with the error {error}");
}

#[test]
fn the_word_of_a_device_is_taken_or_given_back() {
    let mut thread = attach();
    let source = Site::source(MANY_PAGES, Script::default());
    let machine = source.machine.clone();
    let _fails =
        source.object.registrations_mut(&mut thread.lock()).add_notifier(move |bql, event| {
            if event == MigrationEvent::PrecopyFailed {
                let taken = machine.object().fail(bql, "the disk is on fire".into());
                machine.note(format!("taken={}", taken.is_ok()));
            }
            Ok(())
        });
    let (endpoint, peer) = peer::pair();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.wait_until_active(&mut thread);
    drop(peer);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.error(Direction::Outgoing).expect("an error");
    let taken = source.machine.count("taken=true") == 1;
    assert!(!taken || error.contains("on fire"), "taken, and the error is: {error}");
}

#[test]
fn a_cancelled_migration_takes_no_word_of_a_device() {
    let mut thread = attach();
    let source = Site::source(MANY_PAGES, Script::default());
    let (endpoint, _peer) = peer::pair();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    source.wait_until_active(&mut thread);
    let taken = {
        let mut bql = thread.lock();
        source.object.cancel(&mut bql, Direction::Outgoing);
        source.object.fail(&mut bql, "the disk is on fire".into())
    };
    let status = source.end(&mut thread, Direction::Outgoing);
    let error = source.error(Direction::Outgoing).expect("an error");
    assert!(
        status != MigrationStatus::Cancelled || error == "cancelled",
        "{status}, with the error {error:?}; fail said {taken:?}"
    );
}
