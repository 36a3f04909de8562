//! What a long migration or a hostile source could let grow without a bound.

use std::io::Write;
use std::time::Duration;

use engine::{Direction, DirtyBitmap, Endpoint, MigrationParameters, Uri};
use test_support::machine::{Machine, Script, Site, attach};
use test_support::peer;
use test_support::stream::encoded;
use wire::{Footer, IdStr, Record, SectionHeader};

#[test]
fn a_migration_that_does_not_converge_keeps_no_record_without_a_bound() {
    let mut thread = attach();
    let sync = |_: &Machine, dirty: &mut DirtyBitmap| {
        dirty.merge(0, 1);
        Ok(())
    };
    let source = Site::source(4, Script { sync: Some(Box::new(sync)), ..Script::default() });
    let destination = Site::destination(4, Script::default());
    let parameters = MigrationParameters {
        downtime_limit: Duration::ZERO,
        max_bandwidth: 0,
        ..MigrationParameters::default()
    };
    source.object.set_parameters(&thread.lock(), parameters).expect("in range");
    let (here, peer) = peer::pair();
    let there = Endpoint::with_fd(Uri::Fd(0), peer.into());
    destination.migrate_incoming(&mut thread, there).expect("an idle object");
    source.migrate(&mut thread, here).expect("an idle object");
    let observer = source.observer(Direction::Outgoing);
    let passes = loop {
        let passes = observer.course().passes;
        if passes.last().is_some_and(|pass| pass.number > 1100) {
            break passes;
        }
        assert!(observer.is_running(), "{:?}", source.error(Direction::Outgoing));
        std::thread::yield_now();
    };
    source.cancel(&mut thread, Direction::Outgoing);
    source.end(&mut thread, Direction::Outgoing);
    assert_eq!(passes.len(), 1024, "the last ones are kept");
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("proc");
    text.split(' ').nth(1).expect("a number").parse::<usize>().expect("a number") * 4096
}

#[test]
fn a_source_that_repeats_a_section_does_not_fill_memory() {
    let mut thread = attach();
    let site = Site::destination(4, Script::default());
    let (endpoint, mut peer) = peer::pair();
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    peer.write_all(&peer::head()).expect("room");
    let before = resident();
    let mut sent = 0;
    let mut id = 100_u32;
    let mut refused = false;
    'all: for _ in 0..200 {
        let mut out = Vec::new();
        for _ in 0..2000 {
            id += 1;
            let idstr = IdStr::new("counter").expect("short");
            let header = SectionHeader { section_id: id, idstr, instance_id: 0, version_id: 1 };
            out.extend(encoded(&Record::Full(header)));
            out.extend(7_u64.to_be_bytes());
            out.extend(encoded(&Footer { section_id: id }));
        }
        if peer.write_all(&out).is_err() {
            refused = true;
            break 'all;
        }
        sent += out.len();
    }
    let grown = resident().saturating_sub(before);
    site.cancel(&mut thread, Direction::Incoming);
    site.end(&mut thread, Direction::Incoming);
    assert!(refused, "{} sections of one device: {sent} bytes sent, {grown} bytes kept", id - 100);
}
