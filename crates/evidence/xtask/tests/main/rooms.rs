//! Which crate sees which is decided here, and not by whoever adds a dependency.

use std::collections::BTreeMap;
use std::error::Error;

use xtask::rooms::{Room, rooms};

/// Each crate and the others that it may name. What it cannot name, it cannot use: inside there
/// is no export, and outside there is nothing but the face.
const RULES: [(&str, &[&str]); 14] = [
    ("biglock", &[]),
    ("exported", &["biglock"]),
    ("bql", &["biglock"]),
    ("wire", &[]),
    ("whole-file", &[]),
    ("engine", &["bql", "whole-file", "wire"]),
    ("migration", &["bql", "engine", "exported"]),
    ("machine", &["migration", "wire"]),
    ("kvm-machine", &["machine", "migration", "wire"]),
    ("lastref", &["kvm-machine", "machine", "migration", "whole-file", "wire"]),
    ("alternatives", &["biglock", "exported"]),
    ("cargo-vacuity", &[]),
    ("test-support", &["bql", "engine", "wire"]),
    ("c-face", &["bql", "machine", "migration"]),
];

/// The arrows that no rule allows, as `from -> to`.
fn forbidden(rooms: &[Room]) -> Vec<String> {
    let rules = BTreeMap::from(RULES);
    let allowed = |from: &str, to: &str| rules.get(from).is_some_and(|sees| sees.contains(&to));
    rooms
        .iter()
        .flat_map(|room| room.sees.iter().map(move |to| (&room.name, to)))
        .filter(|(from, to)| !allowed(from, to))
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect()
}

#[test]
fn no_crate_sees_more_than_it_may() -> Result<(), Box<dyn Error>> {
    let rooms = rooms()?;
    let names: Vec<_> = rooms.iter().map(|room| room.name.as_str()).collect();
    for (name, _) in RULES {
        assert!(names.contains(&name), "{name} has a rule and is not there: {names:?}");
    }
    for name in names {
        assert!(RULES.iter().any(|(ruled, _)| *ruled == name), "{name} has no rule");
    }
    assert_eq!(forbidden(&rooms), [""; 0]);
    Ok(())
}

#[test]
fn what_a_crate_sees_is_seen() -> Result<(), Box<dyn Error>> {
    let rooms = rooms()?;
    let migration = rooms.iter().find(|room| room.name == "migration").ok_or("no migration")?;
    // wire is there for its tests only.
    assert_eq!(migration.sees, ["bql", "engine", "exported"]);
    Ok(())
}

#[test]
fn an_arrow_from_the_engine_to_the_export_is_found() {
    let engine = Room {
        band: "core".to_owned(),
        name: "engine".to_owned(),
        description: String::new(),
        sees: vec!["bql".to_owned(), "exported".to_owned()],
    };
    assert_eq!(forbidden(&[engine]), ["engine -> exported"]);
}
