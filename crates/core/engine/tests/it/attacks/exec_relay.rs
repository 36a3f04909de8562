//! A command that passes the whole stream on and is killed then has given no word of the destination.

use engine::{Direction, Endpoint, RunState, Uri};
use tempfile::TempDir;
use test_support::machine::{Script, Site, attach};

#[test]
fn a_relay_that_is_killed_after_the_stream_does_not_make_two_machines() {
    let mut thread = attach();
    let folder = TempDir::new().expect("a folder");
    let fifo = folder.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).expect("a fifo");
    let source = Site::source(4, Script::default());
    let destination = Site::destination(4, Script::default());
    let reads: Uri = format!("exec:cat {}", fifo.display()).parse().expect("a uri");
    destination.migrate_incoming(&mut thread, Endpoint::from(reads)).expect("an idle object");
    let sends: Uri = format!("exec:cat > {}; kill -9 $$", fifo.display()).parse().expect("a uri");
    source.migrate(&mut thread, Endpoint::from(sends)).expect("an idle object");
    let sent = source.end(&mut thread, Direction::Outgoing);
    let received = destination.end(&mut thread, Direction::Incoming);
    let runs = |site: &Site| site.machine.run_state() == RunState::Running;
    assert!(
        !(runs(&source) && runs(&destination)),
        "it runs in two places: {sent} ({:?}), {received}",
        source.error(Direction::Outgoing)
    );
}
