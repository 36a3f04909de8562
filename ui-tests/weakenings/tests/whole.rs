//! The suite as a whole: claims, cases of all rooms, weakenings. What a weakening does is
//! seen by the command `weaken`.

use ui_harness::weakening::Declared;
use ui_harness::{Suite, none, whole};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_claim_has_a_case_or_a_test_and_every_case_a_claim() {
    none(whole::suite_complaints(&Suite::of_package(HERE)));
}

#[test]
fn every_weakening_has_a_claim_and_an_edit_that_applies() {
    let suite = Suite::of_package(HERE);
    none(Declared::read(&suite).complaints(&suite));
}
