//! The compiler: that it is the pinned one, and how a program is compiled with exactly the
//! dependencies of a room.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_vacuity::diagnostic::{self, Diagnostic};
use serde::Deserialize;

use crate::Code;
use crate::suite::read;

/// Refuses to go on with another compiler than the one that `toolchain` pins.
///
/// # Panics
///
/// If it is another one.
pub fn require_pinned(toolchain: &Path) {
    let version = output(Command::new(rustc()).arg("--version"));
    if let Err(sentence) = version.and_then(|version| is_pinned(&read(toolchain), &version)) {
        panic!("{sentence}");
    }
}

/// Compares what a `rust-toolchain.toml` says with what `rustc --version` says.
///
/// # Errors
///
/// The one sentence that tells a user why the suite does not run.
pub fn is_pinned(toolchain: &str, version: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Pins {
        toolchain: Toolchain,
    }
    #[derive(Deserialize)]
    struct Toolchain {
        channel: String,
    }
    let pins: Pins = toml::from_str(toolchain).map_err(|error| format!("toolchain: {error}"))?;
    let pinned = pins.toolchain.channel;
    if version.split_whitespace().nth(1) == Some(&pinned) {
        return Ok(());
    }
    Err(format!(
        "the snapshots are the words of rustc {pinned} and this is {}: run the suite with \
         `cargo +{pinned} test`",
        version.trim()
    ))
}

/// Which of cargo's ways to make the libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// As `cargo test` without RUSTFLAGS and `--release` has made them already, and as trybuild makes
    /// them for the cases: it knows the profile `dev` alone. Cases and twins are both checked and
    /// not built, so neither sees what the compiler finds only when it makes code.
    Build,
    /// Without code, and with every lint at most a warning: for a changed copy.
    Check,
}

/// The libraries that the rooms' packages depend on.
#[derive(Debug)]
pub struct Libraries {
    make: Make,
    target: Option<PathBuf>,
    rooms: Vec<Metadata>,
    manifests: Vec<PathBuf>,
}

impl Libraries {
    /// Those of the packages with these manifests, all in one workspace. `target` is where
    /// they are made, if not where cargo makes them by itself.
    ///
    /// # Errors
    ///
    /// Cargo's words, if a manifest is wrong.
    pub fn of(manifests: &[PathBuf], make: Make, target: Option<&Path>) -> Result<Self, String> {
        let platform = host()?;
        let metadata = |manifest: &PathBuf| {
            let mut command = cargo("metadata", manifest, target);
            command.args(["--format-version=1", "--filter-platform", &platform]);
            let text = output(&mut command)?;
            serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
        };
        Ok(Libraries {
            make,
            target: target.map(Path::to_owned),
            rooms: manifests.iter().map(metadata).collect::<Result<_, _>>()?,
            manifests: manifests.to_owned(),
        })
    }

    /// The same after a manifest was changed.
    ///
    /// # Errors
    ///
    /// Cargo's words, if a manifest is wrong.
    pub fn again(&self) -> Result<Self, String> {
        Self::of(&self.manifests, self.make, self.target.as_deref())
    }

    /// Makes the libraries and returns a compiler for each package: for programs that see
    /// its dependencies, development dependencies not among them.
    ///
    /// # Errors
    ///
    /// Cargo's words, if a library does not build.
    pub fn make(&self) -> Result<Vec<Compiler>, String> {
        let Some(manifest) = self.manifests.first() else { return Ok(Vec::new()) };
        let verb = match self.make {
            Make::Build => "build",
            Make::Check => "check",
        };
        let mut command = cargo(verb, manifest, self.target.as_deref());
        command.args(["--lib", "--message-format=json-render-diagnostics"]);
        match self.make {
            // Nor do the cases see a flag such as --cfg: trybuild takes RUSTFLAGS away.
            Make::Build => command.env_remove("RUSTFLAGS"),
            Make::Check => command.env("RUSTFLAGS", "--cap-lints=warn"),
        };
        for room in &self.rooms {
            command.args(["--package", &room.resolve.root]);
        }
        let made = output(&mut command)?;
        let artifacts: Vec<Artifact> =
            made.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        self.rooms.iter().map(|room| Compiler::new(room, &artifacts)).collect()
    }
}

/// What rustc needs to compile a program that sees the dependencies of a package and no more.
#[derive(Debug, Clone)]
pub struct Compiler {
    rustc: PathBuf,
    arguments: Vec<OsString>,
    /// The folders of all packages that the program sees, directly or through others.
    sees: Vec<PathBuf>,
    /// Where output goes. A folder: rustc replaces a file it is told to write.
    out: PathBuf,
}

impl Compiler {
    fn new(room: &Metadata, artifacts: &[Artifact]) -> Result<Self, String> {
        let package = room.package(&room.resolve.root)?;
        let mut arguments: Vec<OsString> = vec!["--edition".into(), (&package.edition).into()];
        for dependency in room.dependencies(&package.id) {
            let file = artifacts
                .iter()
                .filter(|artifact| artifact.package_id == dependency.pkg)
                .flat_map(|artifact| &artifact.filenames)
                .find(|file| file.extension().is_some_and(|is| is == "rmeta"))
                .ok_or_else(|| format!("cargo did not make {}", dependency.name))?;
            arguments.push("--extern".into());
            arguments.push(format!("{}={}", dependency.name, file.display()).into());
        }
        // Also those of macros, which with --target are in a folder of their own.
        let folders: BTreeSet<&Path> = artifacts
            .iter()
            .flat_map(|made| &made.filenames)
            .filter_map(|file| file.parent())
            .collect();
        for folder in folders {
            arguments.push(format!("-Ldependency={}", folder.display()).into());
        }
        let out = room.target_directory.join("ui-tests").join(&package.name);
        fs::create_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
        let rustc = rustc_itself()?;
        Ok(Compiler { rustc, arguments, sees: room.seen_from(&package.id)?, out })
    }

    /// Whether `file` is part of what the programs see: if not, a change of it changes
    /// nothing for them.
    pub fn sees(&self, file: &Path) -> bool {
        self.sees.iter().any(|folder| file.starts_with(folder))
    }

    /// Checks one program as `cargo check` would; nothing is linked.
    ///
    /// # Errors
    ///
    /// What the compiler says, if the program does not compile.
    pub fn check(&self, program: &Path) -> Result<(), Refusal> {
        let name = program.file_name().unwrap_or_default();
        let mut rustc = Command::new(&self.rustc);
        rustc.args(&self.arguments);
        rustc.args(["--crate-type=bin", "--crate-name=program", "--emit=metadata", "-Awarnings"]);
        rustc.arg("--error-format=json");
        rustc.arg("-o").arg(self.out.join(name).with_extension("rmeta")).arg(program);
        output(&mut rustc).map(drop).map_err(|said| Refusal::read(&said))
    }

    /// Checks many programs as modules of one, which takes hardly longer than one. `name` is
    /// that one's.
    ///
    /// # Errors
    ///
    /// What the compiler says, if the modules do not compile. That one of them does not compile
    /// by itself is not said: names and passes of the compiler are shared.
    pub fn check_together<'a>(
        &self,
        name: &str,
        programs: impl IntoIterator<Item = &'a Path>,
    ) -> Result<(), Refusal> {
        let module = |(index, program): (usize, &Path)| {
            format!("#[path = {:?}]\nmod program_{index};\n", program.display().to_string())
        };
        let modules: String = programs.into_iter().enumerate().map(module).collect();
        let together = self.out.join(name).with_extension("rs");
        fs::write(&together, modules + "fn main() {}\n")
            .map_err(|error| Refusal::read(&format!("{}: {error}", together.display())))?;
        self.check(&together)
    }
}

/// What the compiler says of a program that it does not compile.
#[derive(Debug)]
pub struct Refusal {
    /// The compiler's words, as it prints them for people.
    pub words: String,
    diagnostics: Vec<Diagnostic>,
}

impl Refusal {
    /// Reads what a compiler said as JSON. Lines that are not, as of one that crashed, stay words.
    fn read(said: &str) -> Self {
        let mut refusal = Refusal { words: String::new(), diagnostics: Vec::new() };
        for line in said.split_inclusive('\n') {
            let read = diagnostic::read(line);
            if read.is_empty() {
                refusal.words.push_str(line);
            }
            refusal.words.extend(read.iter().filter_map(|one| one.rendered.as_deref()));
            refusal.diagnostics.extend(read);
        }
        refusal
    }

    /// Code, file and line of each error that has a place.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Code, PathBuf, usize)> {
        diagnostic::errors(&self.diagnostics).filter_map(|error| {
            // What has a lint's name as its code has none for people.
            let code = diagnostic::code(error).and_then(Code::parse).unwrap_or(Code::None);
            let span = diagnostic::primary(error)?;
            Some((code, PathBuf::from(&span.file_name), span.line_start))
        })
    }
}

/// What `cargo metadata` says of one package and its dependencies.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    edition: String,
    manifest_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    root: String,
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

/// A dependency that is no development or build dependency has no kind.
#[derive(Debug, Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Artifact {
    package_id: String,
    filenames: Vec<PathBuf>,
}

impl Metadata {
    fn package(&self, id: &str) -> Result<&Package, String> {
        let package = self.packages.iter().find(|package| package.id == id);
        package.ok_or_else(|| format!("cargo metadata does not know {id}"))
    }

    /// What a package depends on, development and build dependencies left out.
    fn dependencies(&self, id: &str) -> impl Iterator<Item = &Dependency> {
        let node = self.resolve.nodes.iter().find(|node| node.id == id);
        let is_normal =
            |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
        node.into_iter().flat_map(|node| &node.deps).filter(is_normal)
    }

    /// The folders of the packages that `id` depends on, directly or through others.
    fn seen_from(&self, id: &str) -> Result<Vec<PathBuf>, String> {
        let mut ids: Vec<&str> = vec![id];
        let mut next = 0;
        while let Some(id) = ids.get(next) {
            for dependency in self.dependencies(id) {
                if !ids.contains(&dependency.pkg.as_str()) {
                    ids.push(&dependency.pkg);
                }
            }
            next += 1;
        }
        let folder = |id: &&str| {
            let manifest = &self.package(id)?.manifest_path;
            Ok(manifest.parent().unwrap_or(Path::new("")).to_owned())
        };
        ids[1..].iter().map(folder).collect()
    }
}

fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The compiler without rustup's stand-in, which would choose it anew for each program.
fn rustc_itself() -> Result<PathBuf, String> {
    let sysroot = output(Command::new(rustc()).args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("bin").join("rustc"))
}

/// The platform of the compiler: dependencies of others may not have been downloaded.
fn host() -> Result<String, String> {
    let version = output(Command::new(rustc()).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// Cargo on one package.
fn cargo(verb: &str, manifest: &Path, target: Option<&Path>) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([verb, "--quiet", "--manifest-path"]).arg(manifest);
    if let Some(target) = target {
        cargo.env("CARGO_TARGET_DIR", target);
    }
    cargo
}

/// What a command prints, or its complaint.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
