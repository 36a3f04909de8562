//! What happened when in a migration is known afterwards.

use engine::{Direction, MigrationStatus, Uri};
use tempfile::TempDir;
use test_support::machine::{MANY_PAGES, Script, Site, attach};
use wire::TARGET_PAGE_SIZE;

use crate::multifd::{busy_source, channels, use_multifd};
use crate::transfer::transfer;

#[test]
fn it_has_every_pass_and_every_status() {
    assert_whole(None);
}

#[test]
fn it_has_what_went_over_the_channels() {
    assert_whole(Some(2));
}

#[track_caller]
fn assert_whole(multifd: Option<u8>) {
    let folder = TempDir::new().expect("a folder");
    let source = busy_source(MANY_PAGES);
    let destination = Site::destination(MANY_PAGES, Script::default());
    for site in multifd.map(|_| [&source, &destination]).into_iter().flatten() {
        use_multifd(site, &mut attach(), channels(multifd.unwrap_or_default()));
    }
    transfer(&source, &destination, Uri::Unix(folder.path().join("socket")));
    let observer = source.observer(Direction::Outgoing);
    let (info, course) = (observer.info(), observer.course());

    let sum = |of: fn(&engine::Pass) -> u64| course.passes.iter().map(of).sum::<u64>();
    assert_eq!(course.passes.len() as u64, info.dirty_sync_count, "{course:?}");
    assert_eq!(
        (sum(|pass| pass.normal), sum(|pass| pass.duplicate)),
        (info.normal, info.duplicate)
    );
    assert_eq!(course.passes[0].dirty, MANY_PAGES as u64, "all of memory first");
    let (rest, passes) = course.passes.split_last().expect("passes");
    assert!(rest.stopped && passes.iter().all(|pass| !pass.stopped), "{course:?}");
    for pass in &course.passes {
        assert_eq!(pass.normal + pass.duplicate, pass.dirty, "{pass:?}");
        assert!(pass.bytes >= pass.normal * TARGET_PAGE_SIZE as u64, "{pass:?}");
    }
    // What is no page comes before the first pass and after the last.
    let beside = info.transferred - sum(|pass| pass.bytes);
    assert!(beside > 0 && beside < 1 << 14, "{beside} bytes beside pages");

    let statuses: Vec<MigrationStatus> =
        course.statuses.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, observer.history()[1..]);
    let times = course.statuses.iter().map(|(_, at)| *at);
    assert!(times.is_sorted(), "{course:?}");
    let sent = course.sent.expect("a last byte");
    assert!(rest.ended <= sent && sent <= course.statuses[statuses.len() - 1].1, "{course:?}");

    let incoming = destination.observer(Direction::Incoming).course();
    assert!(incoming.passes.is_empty() && incoming.sent.is_none(), "{incoming:?}");
}
