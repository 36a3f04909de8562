//! The rooms of the suite are what they claim to be: this one sees what the engine sees. What
//! the engine sees is compared with the rules in crates/evidence/xtask/tests/main/rooms.rs.

use std::fs;
use std::path::Path;

/// The names of the `[dependencies]` in a manifest, but for those that only a feature adds.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest");
    let table = manifest.get("dependencies").and_then(|table| table.as_table());
    let is_optional = |dependency: &toml::Value| {
        dependency.get("optional").and_then(toml::Value::as_bool) == Some(true)
    };
    let always = table.into_iter().flatten().filter(|(_, dependency)| !is_optional(dependency));
    always.map(|(name, _)| name.clone()).collect()
}

fn dependencies_of(folder: &str) -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Cargo.toml");
    dependencies(&fs::read_to_string(manifest).expect("a manifest"))
}

#[test]
fn this_room_sees_the_engine_and_what_the_engine_sees() {
    let mut engine = dependencies_of("../../crates/core/engine");
    engine.push("engine".to_owned());
    engine.sort();
    let mut here = dependencies_of(".");
    here.sort();
    assert_eq!(here, engine);
}

#[test]
fn the_room_of_the_locks_sees_the_lock_crates_and_a_mutex_of_others() {
    assert_eq!(dependencies_of("../locks"), ["biglock", "bql", "exported", "spin"]);
}

#[test]
fn the_room_outside_sees_the_face_the_machine_and_the_types_of_the_stream() {
    assert_eq!(dependencies_of("../outside"), ["machine", "migration", "wire"]);
}

#[test]
fn development_dependencies_are_not_taken_for_dependencies() {
    let manifest = "[dependencies]\na = '1'\nd = { version = '1', optional = true }\n\
         [dependencies.b]\npath = 'b'\n[dev-dependencies]\nc = '1'\n";
    assert_eq!(dependencies(manifest), ["a", "b"]);
}
