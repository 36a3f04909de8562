//! A twin is compiled with what trybuild gives a case, whatever flags and platform the tests run with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ui_harness::compiler::{Libraries, Make};

/// In it a child of this test finds the workspace.
const CHILD: &str = "LASTREF_TEST_FLAGS";

/// A room, a library that it sees, and a macro that the library uses.
fn write_workspace(folder: &Path) {
    let files = [
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"room\", \"library\", \"macros\"]\nresolver = \"3\"\n",
        ),
        ("room/Cargo.toml", "[dependencies]\nlibrary = { path = \"../library\" }\n"),
        ("room/src/lib.rs", ""),
        ("library/Cargo.toml", "[dependencies]\nmacros = { path = \"../macros\" }\n"),
        (
            "library/src/lib.rs",
            "macros::nothing!();\npub use macros::nothing;\n\
             #[cfg(flagged)]\ncompile_error!(\"it sees RUSTFLAGS\");\n\
             pub const SEEN: u32 = 1;\n",
        ),
        ("macros/Cargo.toml", "[lib]\nproc-macro = true\n"),
        (
            "macros/src/lib.rs",
            "#[proc_macro]\npub fn nothing(text: proc_macro::TokenStream) -> proc_macro::TokenStream \
             { text }\n",
        ),
        ("twin.rs", "fn main() { assert_eq!(library::SEEN, 1); }\n"),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("room");
        let package = match name.strip_suffix("/Cargo.toml") {
            Some(package) => format!("[package]\nname = \"{package}\"\nedition = \"2024\"\n"),
            None => String::new(),
        };
        fs::write(path, package + text).expect("room");
    }
}

#[test]
fn twins_see_no_flags_and_find_macros_that_were_made_for_the_host() {
    if let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) {
        let room = folder.join("room/Cargo.toml");
        let libraries = Libraries::of(&[room], Make::Build, Some(&folder.join("target")));
        for compiler in libraries.expect("manifests").make().expect("libraries") {
            let checked = compiler.check(&folder.join("twin.rs"));
            checked.map_err(|refusal| refusal.words).expect("it compiles");
        }
        return;
    }
    let rustc = Command::new("rustc").arg("-vV").output().expect("it is here");
    let said = String::from_utf8(rustc.stdout).expect("a version is text");
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let folder = tempfile::tempdir().expect("a folder");
    write_workspace(folder.path());
    for (variable, value) in [("RUSTFLAGS", "--cfg flagged"), ("CARGO_BUILD_TARGET", host)] {
        let output = Command::new(std::env::current_exe().expect("a test is a program"))
            .args(["twins_see_no_flags", "--nocapture"])
            .env(CHILD, folder.path())
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .env(variable, value)
            .output()
            .expect("it starts again");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{variable}: {said}");
    }
}
