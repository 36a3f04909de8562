//! The tool, run on small packages.

mod check;
mod lock;
mod mutate;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A package `lib` in a folder of its own.
struct Package(TempDir);

impl Package {
    /// With this library, and more files.
    fn new(library: &str, files: &[(&str, &str)]) -> Self {
        let package = Package(tempfile::tempdir().unwrap());
        package.write(
            "Cargo.toml",
            "[package]\nname = 'lib'\nversion = '0.1.0'\nedition = '2024'\n\
             [features]\nextra = []\n[workspace]\n",
        );
        package.write("src/lib.rs", library);
        for (file, text) in files {
            package.write(file, text);
        }
        package
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn vacuity(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-vacuity"));
        command.arg("vacuity").args(arguments).current_dir(self.0.path());
        // What an outer cargo says of itself is not for the inner one.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let of_cargo = name.starts_with("CARGO_") && name != "CARGO_HOME";
            if of_cargo || ["RUSTFLAGS", "RUSTC", "RUSTDOC"].contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        command.env("CARGO_NET_OFFLINE", "true");
        command
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.vacuity(&[arguments, &["--json"]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}"))
    }

    /// The findings, by line.
    fn findings(&self, arguments: &[&str]) -> Vec<Value> {
        self.json(arguments)["findings"].as_array().unwrap().clone()
    }
}

/// Asserts that an output ends with this status, and says these words.
#[track_caller]
fn ends(output: &Output, status: i32, words: &str) {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(words), "{said}");
}

/// This workspace's lock file, so that a package with dependencies needs no network.
fn lock_file() -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap().into();
    fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default()
}
