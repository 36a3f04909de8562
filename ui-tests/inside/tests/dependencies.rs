//! The rooms are what they claim to be: this one sees what the engine sees, and the engine
//! cannot see the export or the face, not even through others.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The names of the `[dependencies]` in a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest");
    let table = manifest.get("dependencies").and_then(|table| table.as_table());
    table.into_iter().flat_map(toml::Table::keys).cloned().collect()
}

fn dependencies_of(folder: &str) -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Cargo.toml");
    dependencies(&fs::read_to_string(manifest).expect("a manifest"))
}

#[test]
fn this_room_sees_the_engine_and_what_the_engine_sees() {
    let mut engine = dependencies_of("../../crates/engine");
    engine.push("engine".to_owned());
    engine.sort();
    let mut here = dependencies_of(".");
    here.sort();
    assert_eq!(here, engine);
}

#[test]
fn the_room_of_the_locks_sees_the_lock_crates_only() {
    assert_eq!(dependencies_of("../locks"), ["biglock", "bql", "exported"]);
}

#[test]
fn the_room_outside_sees_the_face_the_machine_and_the_types_of_the_stream() {
    assert_eq!(dependencies_of("../outside"), ["machine", "migration", "wire"]);
}

#[test]
fn development_dependencies_are_not_taken_for_dependencies() {
    let manifest =
        "[dependencies]\na = '1'\n[dependencies.b]\npath = 'b'\n[dev-dependencies]\nc = '1'\n";
    assert_eq!(dependencies(manifest), ["a", "b"]);
}

/// The names of the packages that the package `name` depends on, directly or through others;
/// those for its tests not among them.
fn seen_from(name: &str) -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--quiet", "--edges=normal", "--prefix=none", "--package", name]);
    let output = cargo.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = lines.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|seen| *seen != name).map(str::to_owned).collect()
}

#[test]
fn neither_engine_nor_wire_can_name_the_export_or_the_face() {
    for inside in ["lastref-engine", "lastref-wire"] {
        let seen = seen_from(inside);
        for outside in ["lastref-exported", "lastref-migration"] {
            assert!(!seen.contains(&outside.to_owned()), "{inside} sees {outside}");
        }
    }
}

#[test]
fn a_dependency_through_others_is_seen() {
    let seen = seen_from("lastref-machine");
    assert!(seen.contains(&"lastref-exported".to_owned()), "through migration: {seen:?}");
    let seen = seen_from("ui-tests-inside");
    assert!(!seen.contains(&"trybuild".to_owned()), "for tests only: {seen:?}");
}
