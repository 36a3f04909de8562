//! The unprotected shapes under AddressSanitizer and under valgrind: what loom shows in a
//! model is a use after free on the heap, and what it passes is none.
//!
//! A program of its own: its tests wait for a build of another toolchain.
//!
//! Each test says when its tool is missing. With `LASTREF_REQUIRE_SANITIZERS=1` a missing
//! tool is a failure.
#![cfg(not(loom))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use alternatives::Claim;
use alternatives::answers::row;
use alternatives::shapes::Name;

const PROGRAM: &str = "use_after_free";

/// Says that a test does not run, unless the tools are required.
fn skip(why: &str) {
    assert!(
        std::env::var_os("LASTREF_REQUIRE_SANITIZERS").is_none_or(|value| value != "1"),
        "{why}, and LASTREF_REQUIRE_SANITIZERS=1"
    );
    println!("skipped: {why}");
}

/// Runs every shape; the table says who uses freed memory.
fn every_shape(run: impl Fn(Name) -> Output, report: &str) {
    for shape in Name::ALL {
        let output = run(shape);
        let words = String::from_utf8_lossy(&output.stderr);
        if row(shape).keeps(Claim::AnyHelperReads) {
            assert!(output.status.success(), "{} is not clean:\n{words}", shape.name());
            println!("{}: clean", shape.name());
        } else {
            assert!(!output.status.success(), "{}: nothing was found", shape.name());
            let line = words.lines().find(|line| line.contains(report));
            let line = line.unwrap_or_else(|| panic!("{}: {words}", shape.name()));
            println!("{}: {}", shape.name(), line.trim());
        }
    }
}

/// The directory of the build that this test belongs to.
fn build_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its program");
    let build = test.parent().and_then(Path::parent).expect("BUILD/deps/test");
    build.to_owned()
}

#[test]
fn valgrind_finds_what_loom_found() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return skip("valgrind is not installed");
    }
    let run = |shape: Name| {
        Command::new("valgrind")
            .args(["--quiet", "--error-exitcode=99"])
            .arg(env!("CARGO_BIN_EXE_use_after_free"))
            .arg(shape.name())
            .output()
            .expect("valgrind runs")
    };
    every_shape(run, "Invalid read");
}

#[test]
fn address_sanitizer_finds_what_loom_found() {
    let has_nightly = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_nightly {
        return skip("there is no nightly toolchain");
    }
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    // Not among the tests' own build, whose directory is locked by who runs the tests.
    let directory = build_directory().join("address-sanitizer");
    let build = Command::new("rustup")
        .args(["run", "nightly", "cargo", "build", "--locked", "--quiet"])
        .args(["--package", env!("CARGO_PKG_NAME"), "--bin", PROGRAM])
        .args(["--target", &target])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", &directory)
        .env("RUSTFLAGS", "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer")
        // The tests' own toolchain, not the one to build with.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC")
        .env_remove("RUSTDOC")
        .output()
        .expect("rustup runs");
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let program = directory.join(target).join("debug").join(PROGRAM);
    let run = |shape: Name| {
        Command::new(&program)
            .arg(shape.name())
            // A place for each play is leaked on purpose.
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .output()
            .expect("the program runs")
    };
    every_shape(run, "heap-use-after-free");
}
