//! The published packages are whole: each says what it is, brings its licences, and is built and
//! tested without the rest of the workspace.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use xtask::workspace::{cargo, published, root};

/// Where cargo leaves the packages.
const TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/packages");

/// Where they are unpacked.
const ALONE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/packages/alone");

/// Packages as cargo does, with what is not committed, and returns what it prints. No URL of the
/// project is known, and tests that need the workspace stay out; no other warning is forgiven.
fn packaged(arguments: &[&str]) -> String {
    let mut all = vec!["package", "--no-metadata", "--allow-dirty", "--target-dir", TARGET];
    all.extend(arguments);
    let output = cargo(&root(), &all, &[]);
    let [stdout, stderr] = [output.stdout, output.stderr].map(String::from_utf8);
    let stderr = stderr.expect("cargo's words are text");
    let left_out =
        ["test", "benchmark", "example"].map(|kind| format!("warning: ignoring {kind} `"));
    let mut others =
        stderr.lines().filter(|line| !left_out.iter().any(|out| line.starts_with(&**out)));
    assert!(!others.any(|line| line.contains("warning")), "{stderr}");
    stdout.expect("cargo's words are text")
}

#[test]
fn each_says_what_it_is() {
    for package in published().expect("the workspace") {
        let said = package.description.is_some() && package.license.is_some();
        let found = !package.keywords.is_empty() && !package.categories.is_empty();
        assert!(said && found, "{package:?}");
    }
}

#[test]
fn each_brings_its_licences_and_nothing_of_the_workspace() {
    for package in published().expect("the workspace") {
        let name = package.name;
        let list = packaged(&["--list", "-p", &name]);
        let has = |file| list.lines().any(|line| line == file);
        assert!(has("LICENSE-MIT") && has("LICENSE-APACHE"), "{name}:\n{list}");
        assert!(!has("public-api.txt"), "{name}:\n{list}");
    }
}

/// Puts the packages beside each other in an empty folder, where they depend on each other, and
/// compiles their libraries, examples, and the tests and benchmarks that they bring.
#[test]
fn each_compiles_with_its_tests_without_the_workspace() {
    let packages = published().expect("the workspace");
    let mut arguments = vec!["--no-verify"];
    arguments.extend(packages.iter().flat_map(|package| ["-p", &package.name]));
    packaged(&arguments);

    if Path::new(ALONE).exists() {
        fs::remove_dir_all(ALONE).expect("a folder of this test");
    }
    fs::create_dir_all(ALONE).expect("a folder of this test");
    let mut manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n".to_owned();
    manifest.push_str("[patch.crates-io]\n");
    for package in &packages {
        let (name, version) = (&package.name, &package.version);
        let unpacked = format!("{name}-{version}");
        // With the time of now: to cargo a file of an old time is one that it knows.
        let mut tar = Command::new("tar");
        tar.arg("-xmzf").arg(format!("{TARGET}/package/{unpacked}.crate")).args(["-C", ALONE]);
        assert!(tar.status().expect("tar runs").success(), "{tar:?}");
        writeln!(manifest, "{name}.path = \"{unpacked}\"").expect("text");
    }
    fs::write(format!("{ALONE}/Cargo.toml"), manifest).expect("it can be written");
    fs::copy(root().join("Cargo.lock"), format!("{ALONE}/Cargo.lock")).expect("it can be copied");
    cargo(
        Path::new(ALONE),
        &["check", "--workspace", "--all-targets", "--target-dir", TARGET],
        &[],
    );
}
