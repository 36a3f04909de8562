//! The workspace as Cargo sees it: where it is, and the packages that are published.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};

/// Returns the workspace's folder.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here).to_owned()
}

/// Reads the packages of the workspace, without their dependencies.
///
/// # Errors
///
/// If Cargo does not understand the workspace.
pub fn metadata() -> Result<Metadata, cargo_metadata::Error> {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
}

/// Returns the packages that are published.
///
/// # Errors
///
/// If Cargo does not understand the workspace.
pub fn published() -> Result<Vec<Package>, cargo_metadata::Error> {
    Ok(metadata()?.packages.into_iter().filter(|package| package.publish.is_none()).collect())
}

/// Returns the name of a package's library, if it has one for Rust. The libraries for C have a
/// header instead.
pub fn library(package: &Package) -> Option<&str> {
    let library = package.targets.iter().find(|target| target.kind == [TargetKind::Lib]);
    library.map(|target| target.name.as_str())
}

/// Runs cargo in a folder, without the network and without the flags of the tests' own build, such
/// as those that count coverage.
///
/// # Panics
///
/// If the command fails.
pub fn cargo(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
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
