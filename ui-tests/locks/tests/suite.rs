//! The cases of this room, by every layer of the oracle but the weakenings.

use std::env;

use ui_harness::compiler::{Libraries, Make, require_pinned};
use ui_harness::{Room, Suite, none, whole};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

fn suite_and_room() -> (Suite, Room) {
    let suite = Suite::of_package(HERE);
    let room = suite.room(HERE);
    (suite, room)
}

#[test]
fn every_case_is_rejected_in_the_pinned_words_for_the_marked_reason() {
    let (suite, room) = suite_and_room();
    require_pinned(&suite.toolchain());
    let variable = |name| env::var(name).ok();
    none(whole::overwriting(variable("TRYBUILD").as_deref(), variable("CI").as_deref()));

    let words = trybuild::TestCases::new();
    words.compile_fail("fail/*.rs");
    // Runs them; in the same test, since it may write the snapshots that are read next.
    drop(words);
    none(whole::snapshot_complaints(&suite, &room));
}

#[test]
fn every_case_is_well_formed_and_has_a_close_twin() {
    let (_, room) = suite_and_room();
    none(whole::room_complaints(&room));
}

#[test]
fn every_twin_compiles() {
    let (suite, room) = suite_and_room();
    require_pinned(&suite.toolchain());
    let libraries = Libraries::of(&[room.manifest()], Make::Build, None).expect("manifest");
    for compiler in libraries.make().expect("libraries") {
        none(whole::twin_complaints(&room, &compiler));
    }
}
