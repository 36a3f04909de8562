//! A workspace, and what cargo and the runners are asked there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cargo_metadata::diagnostic::Diagnostic;
use cargo_metadata::{Message, Metadata, MetadataCommand, Package, Target, TargetKind};
use clap::Args;

use crate::program::Program;
use crate::stand_in::{CHANGED, ONLY_MAKE, Record, StandIn};
use crate::tools::Tools;
use crate::{Error, source};
use cargo_vacuity::diagnostic;

/// Which packages are looked at, with which features.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selection {
    /// The package's manifest.
    #[arg(long = "manifest-path", value_name = "PATH", global = true)]
    pub(crate) manifest: Option<PathBuf>,
    /// A package to look at; may be given more than once.
    #[arg(short, long = "package", value_name = "NAME", global = true)]
    pub(crate) packages: Vec<String>,
    /// Look at all packages of the workspace.
    #[arg(long, global = true)]
    pub(crate) workspace: bool,
    /// Features, as for `cargo test`.
    #[arg(short = 'F', long, value_name = "LIST", global = true)]
    features: Vec<String>,
    /// All features, as for `cargo test`.
    #[arg(long, global = true)]
    all_features: bool,
    /// No default features, as for `cargo test`.
    #[arg(long, global = true)]
    no_default_features: bool,
    /// Do without the network.
    #[arg(long, global = true)]
    offline: bool,
}

impl Selection {
    /// What is handed on to cargo.
    pub(crate) fn cargo(&self) -> Vec<&OsStr> {
        let features = self.features.iter().flat_map(|list| ["--features", list]);
        let flags = [
            (self.all_features, "--all-features"),
            (self.no_default_features, "--no-default-features"),
            (self.offline, "--offline"),
        ];
        let flags = flags.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag);
        features.chain(flags).map(OsStr::new).collect()
    }
}

/// A workspace, and the tool's place in it.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) metadata: Metadata,
    pub(crate) selection: Selection,
    pub(crate) tools: Tools,
    pub(crate) stand_in: StandIn,
    /// The folder for build output of a copy, whose libraries are changed.
    target: Option<PathBuf>,
}

impl Workspace {
    /// Opens the workspace of a selection. `exe` is the tool, and `target` the folder for build
    /// output of a copy.
    pub(crate) fn open(
        selection: Selection,
        exe: &Path,
        target: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let tools = Tools::find()?;
        let mut command = MetadataCommand::new();
        command.cargo_path(&tools.cargo);
        if let Some(manifest) = &selection.manifest {
            command.manifest_path(manifest);
        }
        let options = selection.cargo().into_iter().map(|one| one.to_string_lossy().into_owned());
        command.other_options(options.collect::<Vec<_>>());
        let metadata = command.exec().map_err(|error| Error::Cargo(error.to_string()))?;
        let output = target.as_deref().unwrap_or(metadata.target_directory.as_std_path());
        let stand_in = StandIn::new(exe, output, tools.clone())?;
        Ok(Workspace { metadata, selection, tools, stand_in, target })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// A file as a person finds it.
    pub(crate) fn seen_from_root(&self, file: &Path) -> PathBuf {
        let file = file.canonicalize().unwrap_or(file.to_owned());
        let root = self.root().canonicalize().unwrap_or_default();
        file.strip_prefix(root).map_or(file.clone(), Path::to_owned)
    }

    /// The packages that are looked at.
    pub(crate) fn packages(&self) -> Result<Vec<&Package>, Error> {
        let Selection { packages, workspace, manifest, .. } = &self.selection;
        let members = self.metadata.workspace_packages();
        if !packages.is_empty() {
            let named = |name: &String| {
                let found = members.iter().find(|package| package.name.as_str() == name).copied();
                found.ok_or_else(|| Error::NoPackage(name.clone()))
            };
            return packages.iter().map(named).collect();
        }
        if *workspace {
            return Ok(members);
        }
        let manifest = manifest.as_ref().and_then(|path| path.canonicalize().ok());
        let here = members.iter().copied().find(|package| match &manifest {
            Some(manifest) => package.manifest_path.as_std_path() == manifest,
            None => std::env::current_dir().is_ok_and(|here| {
                let folder = package.manifest_path.parent();
                folder.is_some_and(|folder| here.starts_with(folder) && folder != self.root())
            }),
        });
        Ok(here.map_or_else(|| self.metadata.workspace_default_packages(), |one| vec![one]))
    }

    /// Cargo, with what the user wants handed on.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut cargo = Command::new(&self.tools.cargo);
        cargo.arg(verb).arg("--manifest-path").arg(self.root().join("Cargo.toml"));
        cargo.args(self.selection.cargo()).env_remove("TRYBUILD");
        if let Some(target) = &self.target {
            cargo.arg("--target-dir").arg(target).env(CHANGED, "1");
            self.stand_in.for_rustc(&mut cargo);
        }
        cargo
    }

    /// `cargo test --doc`, if one of the packages has a library.
    fn doctests_command(&self, packages: &[&Package], features: &[&str]) -> Option<Command> {
        let has_library = |package: &&Package| library(package).is_some();
        let libraries: Vec<_> = packages.iter().copied().filter(has_library).collect();
        libraries.first()?;
        let mut cargo = self.cargo("test");
        cargo.args(["--doc", "--no-fail-fast"]).args(features).args(named(&libraries));
        self.stand_in.for_rustdoc(&mut cargo);
        Some(cargo)
    }

    /// Has rustdoc collect the documentation tests of some packages.
    pub(crate) fn doctests(
        &self,
        packages: &[&Package],
        features: &[&str],
    ) -> Result<Vec<Record>, Error> {
        let Some(mut cargo) = self.doctests_command(packages, features) else {
            return Ok(Vec::new());
        };
        let output = cargo.output()?;
        let records = self.stand_in.take()?;
        succeeded(&output)?;
        Ok(records)
    }

    /// Runs the test targets that are runners of programs in files; returns what they would compile.
    pub(crate) fn run_tests(&self, package: &Package) -> Result<Vec<Program>, Error> {
        let folder = folder_of(package);
        let targets = runners(package);
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let mut cargo = self.cargo("test");
        cargo.args(["--no-fail-fast", "--package", &package.id.repr]);
        for target in &targets {
            cargo.args(["--test", &target.name]);
        }
        self.stand_in.for_rustc(&mut cargo);
        let before = works_in_progress(folder)?;
        let output = cargo.output()?;
        for file in works_in_progress(folder)?.difference(&before) {
            fs::remove_file(file)?;
        }
        if before.is_empty() {
            // It is there only if it was before.
            drop(fs::remove_dir(folder.join("wip")));
        }
        let program = |record| match record {
            Record::Program(program) => Some(program),
            Record::Doctests { .. } => None,
        };
        let programs: Vec<_> = self.stand_in.take()?.into_iter().filter_map(program).collect();
        let words = String::from_utf8_lossy(&output.stderr);
        if programs.is_empty() && words.contains("could not compile") {
            return Err(Error::Cargo(first_error(&words)));
        }
        Ok(programs)
    }

    /// Makes what the cases of some packages need, after a change.
    ///
    /// # Errors
    ///
    /// [`Error::Cargo`] if that cannot be built.
    pub(crate) fn make(&self, packages: &[&Package]) -> Result<(), Error> {
        if let Some(mut cargo) = self.doctests_command(packages, &[]) {
            succeeded(&cargo.env(ONLY_MAKE, "1").output()?)?;
        }
        for package in packages.iter().filter(|package| !runners(package).is_empty()) {
            if self.run_tests(package)?.is_empty() {
                let words = format!("the runner of {} compiles no case", package.name);
                return Err(Error::Cargo(words));
            }
        }
        Ok(())
    }

    /// Checks libraries; returns the compiler's errors.
    pub(crate) fn library_errors(&self, packages: &[&Package]) -> Result<Vec<Diagnostic>, Error> {
        let mut cargo = self.cargo("check");
        cargo.args(["--lib", "--message-format=json"]).args(named(packages));
        let output = cargo.output()?;
        let mut said = Vec::new();
        for message in Message::parse_stream(output.stdout.as_slice()) {
            if let Message::CompilerMessage(one) = message? {
                said.push(one.message);
            }
        }
        let errors: Vec<Diagnostic> = diagnostic::errors(&said).cloned().collect();
        if errors.is_empty() {
            succeeded(&output)?;
        }
        Ok(errors)
    }

    /// Checks the tests of some packages, which are lawful. If they do not compile, returns the
    /// compiler's words and whether just static assertions do not hold.
    pub(crate) fn tests_compile(
        &self,
        packages: &[&Package],
    ) -> Result<Result<(), (String, bool)>, Error> {
        let mut cargo = self.cargo("check");
        cargo.args(["--tests", "--keep-going", "--message-format=short"]).args(named(packages));
        let output = cargo.output()?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        let words = String::from_utf8_lossy(&output.stderr);
        // `src/lib.rs:1:2: error[E0282]: …`. So does an assertion that a trait is missing fail, and
        // one about a constant.
        let asserts = |line: &&str| {
            ["E0282", "E0283", "E0790", "E0080"].iter().any(|code| line.contains(code))
        };
        let errors: Vec<&str> = words.lines().filter(|line| line.contains(": error")).collect();
        let first = errors.first().map_or("cargo check failed", |line| line).to_owned();
        Ok(Err((first, !errors.is_empty() && errors.iter().all(asserts))))
    }
}

/// The arguments that name packages to cargo.
fn named<'p>(packages: &[&'p Package]) -> impl Iterator<Item = &'p str> {
    packages.iter().flat_map(|package| ["--package", &*package.id.repr])
}

/// Fails with cargo's words if it failed.
fn succeeded(output: &Output) -> Result<(), Error> {
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Cargo(first_error(&String::from_utf8_lossy(&output.stderr))))
}

/// The folder of a package.
pub(crate) fn folder_of(package: &Package) -> &Path {
    package.manifest_path.parent().map_or(Path::new(""), |path| path.as_std_path())
}

/// The test targets that are runners of programs in files.
fn runners(package: &Package) -> Vec<&Target> {
    const NAMES: [&str; 3] = ["trybuild", "ui_test", "compiletest"];
    let runs = |target: &&Target| {
        source::walk(target.src_path.as_std_path()).files.iter().any(|file| {
            fs::read_to_string(file).is_ok_and(|text| NAMES.iter().any(|name| text.contains(name)))
        })
    };
    let is_test = |target: &&Target| target.kind.contains(&TargetKind::Test);
    package.targets.iter().filter(is_test).filter(runs).collect()
}

/// The first error in cargo's words, and where it is.
fn first_error(words: &str) -> String {
    let mut lines = words.lines().skip_while(|line| !line.starts_with("error"));
    let error = lines.next().unwrap_or("cargo failed");
    match lines.next().and_then(|line| line.trim().strip_prefix("--> ")) {
        Some(place) => format!("{place}: {error}"),
        None => error.to_owned(),
    }
}

/// The library of a package, if it has one whose documentation is tested.
pub(crate) fn library(package: &Package) -> Option<&Target> {
    package.targets.iter().find(|target| {
        let kinds = [TargetKind::Lib, TargetKind::RLib, TargetKind::ProcMacro];
        target.doctest && target.kind.iter().any(|kind| kinds.contains(kind))
    })
}

/// Snapshots that trybuild proposes for cases without one.
fn works_in_progress(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    match fs::read_dir(folder.join("wip")) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}
