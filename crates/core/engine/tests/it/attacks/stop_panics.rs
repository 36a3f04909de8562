//! A hook that panics each time it is to stop the machine may have stopped it: the right to let it
//! go on stays with the machine.

use engine::{Direction, MigrationStatus, RunState};
use test_support::machine::{Script, Site, attach};
use test_support::peer;

#[test]
fn a_machine_whose_stop_panics_can_be_let_go_on() {
    let mut thread = attach();
    let script =
        Script { stop: Some(Box::new(|_, _| panic!("the stop is broken"))), ..Script::default() };
    let source = Site::source(4, script);
    let (endpoint, peer) = peer::pair();
    let reader = peer::reads(peer);
    source.migrate(&mut thread, endpoint).expect("an idle object");
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let _ = reader.join();
    if source.machine.run_state() != RunState::Running {
        let went_on = source.object.cont(&mut thread.lock());
        assert!(
            went_on.is_ok() && source.machine.run_state() == RunState::Running,
            "it is {}, and cont says: {went_on:?}; {:?}",
            source.machine.run_state().name(),
            source.machine.trace()
        );
    }
}
