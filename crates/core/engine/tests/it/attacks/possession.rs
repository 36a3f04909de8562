//! The first object that is published or begins to migrate has the machine. A command that is
//! refused takes nothing.

use std::sync::Arc;

use engine::{Direction, MigrationError, MigrationState, MigrationStatus};
use test_support::machine::{Script, Site, attach};
use test_support::peer;
use test_support::wait;

#[test]
fn a_cont_that_is_refused_does_not_take_the_machine() {
    let mut thread = attach();
    let source = Site::source(4, Script::default());
    let other = MigrationState::new(Arc::clone(&source.host)).expect("an object");
    let refused = other.cont(&mut thread.lock()).expect_err("nothing was kept");
    assert!(matches!(refused, MigrationError::NothingKept), "{refused}");
    let (endpoint, _peer) = peer::pair();
    let begun = source.migrate(&mut thread, endpoint);
    assert!(begun.is_ok(), "{begun:?}");
    source.cancel(&mut thread, Direction::Outgoing);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Cancelled);
}

#[test]
fn a_migration_that_is_refused_does_not_take_the_machine() {
    let mut thread = attach();
    let source = Site::source(4, Script::default());
    let (endpoint, peer) = peer::pair();
    source.migrate(&mut thread, endpoint).expect("an idle object");
    peer::read_stream(&peer).expect("a whole stream");
    drop(peer);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    // The machine is left stopped, and its object goes.
    let Site { host, object, .. } = source;
    let life = object.life().clone();
    drop(object);
    assert!(life.wait_until_dropped(&mut thread, wait::DEADLINE));
    let first = MigrationState::new(Arc::clone(&host)).expect("an object");
    let second = MigrationState::new(host).expect("an object");
    let (endpoint, _peer) = peer::pair();
    let refused = engine::migrate(first.clone(), &mut thread.lock(), endpoint);
    assert!(matches!(refused, Err(MigrationError::KeptStopped)), "{refused:?}");
    let went_on = second.cont(&mut thread.lock());
    assert!(went_on.is_ok(), "{went_on:?}");
}
