//! What was made durable can no longer be cancelled.

use std::io::Write;

use bql::BqlUnlocked;
use engine::{Direction, MigrationStatus};
use tempfile::TempDir;
use test_support::machine::{Machine, Script, Site, attach};
use test_support::peer;

#[test]
fn what_a_cancelled_migration_brought_is_not_made_durable() {
    let mut thread = attach();
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("ram");
    std::fs::write(&path, "the guest of yesterday").expect("a file");
    let name = path.clone();
    let settle = move |machine: &Machine, thread: &mut BqlUnlocked| {
        std::fs::write(&name, "the guest that came").expect("a file");
        machine.object().cancel(&mut thread.lock(), Direction::Incoming);
        Ok(())
    };
    let site = Site::destination(4, Script { settle: Some(Box::new(settle)), ..Script::default() });
    let (endpoint, mut peer) = peer::pair();
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    // As QEMU's source: nothing is asked before EOF.
    peer.write_all(&peer::head()).expect("room");
    peer.write_all(&peer::memory_start(4, false)).expect("room");
    peer.write_all(&peer::memory_end_and_devices(false)).expect("room");
    peer.shutdown(std::net::Shutdown::Write).expect("an open socket");
    let status = site.end(&mut thread, Direction::Incoming);
    let there = std::fs::read_to_string(&path).expect("a file");
    assert!(
        status == MigrationStatus::Completed || there == "the guest of yesterday",
        "{status}, and the file holds {there:?}"
    );
}
