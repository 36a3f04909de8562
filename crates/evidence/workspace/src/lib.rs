//! What the tests of the workspace as a whole are about: its packages, and its `README.md`.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;

/// The folder of the workspace.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../..");

/// A package that is published.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// The name that others depend on.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is, in a line.
    pub description: Option<String>,
    /// What to find it by.
    pub keywords: Vec<String>,
    /// Where the registry lists it.
    pub categories: Vec<String>,
    /// Its licence, as an SPDX expression.
    pub license: Option<String>,
    manifest_path: PathBuf,
    publish: Option<Vec<String>>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

impl Package {
    /// The published packages of the workspace.
    ///
    /// # Panics
    ///
    /// If cargo does not understand the workspace.
    pub fn published() -> Vec<Package> {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Package>,
        }
        let output = cargo(ROOT, &["metadata", "--format-version=1", "--no-deps"], &[]);
        let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo's JSON");
        metadata.packages.into_iter().filter(|package| package.publish.is_none()).collect()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().expect("a manifest is in a folder")
    }

    /// The name of its library, if it has one for Rust. The libraries for C have a header
    /// instead.
    pub fn library(&self) -> Option<&str> {
        let library = self.targets.iter().find(|target| target.crate_types == ["lib"]);
        library.map(|target| target.name.as_str())
    }
}

/// Runs cargo in a folder, without the network and without the flags of the tests' own build, such
/// as those that count coverage.
///
/// # Panics
///
/// If the command fails.
pub fn cargo(folder: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).arg("--offline").current_dir(folder);
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(name);
    }
    let output = command.envs(environment.iter().copied()).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    output
}

/// The example of the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../../README.md")]
struct Readme;
