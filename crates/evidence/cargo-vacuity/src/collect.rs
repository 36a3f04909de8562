//! The cases of a workspace: those that their runners run, and those that nobody does.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Message, Metadata, MetadataCommand, Package, Target, TargetKind};

use crate::program::{Program, Runner};
use crate::source::{self, Block};
use crate::stand_in::{Record, StandIn};
use crate::tools::Tools;
use crate::{Error, diagnostic};

/// Which packages are looked at, with which features.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The manifest; if `None`, the one that cargo finds.
    pub manifest: Option<PathBuf>,
    /// The packages' names; if there are none, cargo's default.
    pub packages: Vec<String>,
    /// Every package of the workspace.
    pub workspace: bool,
    /// Arguments that are handed on to cargo: features, `--offline` and the like.
    pub cargo: Vec<OsString>,
}

/// One test that a program does not compile.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// File and item, and which of the item's: stable when lines move.
    pub(crate) id: String,
    pub(crate) package: String,
    /// As a person finds it: seen from the workspace.
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    /// Where the program's lines stand in the file: what is added to a line of the program.
    pub(crate) offset: isize,
    /// The error codes that the case states.
    pub(crate) stated: Vec<String>,
    pub(crate) program: Option<Program>,
    /// Why no runner runs it, and what would.
    pub(crate) never_run: Option<NeverRun>,
}

#[derive(Debug, Clone)]
pub(crate) struct NeverRun {
    pub(crate) why: String,
    /// The argument with which it is run.
    pub(crate) with: Option<&'static str>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) cases: Vec<Case>,
    /// What could not be looked at, and why.
    pub(crate) problems: Vec<String>,
}

/// A workspace, and the tool's place in it.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) metadata: Metadata,
    pub(crate) selection: Selection,
    pub(crate) tools: Tools,
    pub(crate) stand_in: StandIn,
    pub(crate) target: Option<PathBuf>,
    /// Whether it is a copy whose libraries are changed.
    pub(crate) changed: bool,
}

impl Workspace {
    /// Opens the workspace of a selection. `exe` is the tool, and `target` a folder for build
    /// output, if not cargo's own.
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
        command.other_options(
            selection
                .cargo
                .iter()
                .map(|one| one.to_string_lossy().into_owned())
                .collect::<Vec<_>>(),
        );
        let metadata = command.exec().map_err(|error| Error::Cargo(error.to_string()))?;
        let stand_in = StandIn::new(exe, tools.rustc.clone(), tools.rustdoc.clone())?;
        Ok(Workspace { metadata, selection, tools, stand_in, target, changed: false })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
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
        match here {
            Some(package) => Ok(vec![package]),
            None => Ok(self.metadata.workspace_default_packages()),
        }
    }

    /// Cargo, with what the user wants handed on.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut cargo = Command::new(&self.tools.cargo);
        cargo.arg(verb).arg("--manifest-path").arg(self.root().join("Cargo.toml"));
        cargo.args(&self.selection.cargo);
        if let Some(target) = &self.target {
            cargo.arg("--target-dir").arg(target);
        }
        cargo.env_remove("TRYBUILD");
        if self.changed {
            self.stand_in.for_rustc(&mut cargo);
            self.stand_in.changed(&mut cargo);
        }
        cargo
    }

    /// Finds all cases of the selected packages.
    pub(crate) fn collect(&self, tell: &dyn Fn(&str)) -> Result<Collected, Error> {
        let packages = self.packages()?;
        let mut problems = Vec::new();
        let mut cases = Vec::new();

        tell("documentation tests");
        let libraries: Vec<&Package> =
            packages.iter().copied().filter(|package| library(package).is_some()).collect();
        let records = self.doctests(&libraries, &[])?;
        let mut left = Vec::new();
        for &package in &packages {
            let mut of_package: Vec<Option<Block>> = Vec::new();
            for target in &package.targets {
                for block in source::blocks(target.src_path.as_std_path()) {
                    let place = (&block.file, block.line);
                    if !of_package.iter().flatten().any(|one| (&one.file, one.line) == place) {
                        of_package.push(Some(block));
                    }
                }
            }
            cases.extend(self.doctest_cases(package, &records, &mut of_package, None));
            left.push((package, of_package));
        }

        // Blocks that are not collected: perhaps with all features they are.
        if left.iter().any(|(_, blocks)| blocks.iter().flatten().any(|b| !b.conditions.is_empty()))
        {
            tell("documentation tests, with all features");
            match self.doctests(&libraries, &["--all-features"]) {
                Ok(records) => {
                    for (package, blocks) in &mut left {
                        let with = Some("--all-features");
                        cases.extend(self.doctest_cases(package, &records, blocks, with));
                    }
                }
                Err(error) => problems.push(format!("with --all-features: {error}")),
            }
        }
        for (package, blocks) in left {
            for block in blocks.into_iter().flatten() {
                let why = why_not_collected(package, &block);
                cases.push(self.case_of_block(package, &block, NeverRun { why, with: None }));
            }
        }

        tell("trybuild and ui_test");
        for package in packages {
            match self.files_of_tests(package) {
                Ok(found) => cases.extend(found),
                Err(error) => problems.push(format!("{}: {error}", package.name)),
            }
        }
        number(&mut cases);
        Ok(Collected { cases, problems })
    }

    fn doctests_command(&self, packages: &[&Package], features: &[&str]) -> Command {
        let mut cargo = self.cargo("test");
        cargo.args(["--doc", "--no-fail-fast"]).args(features);
        for package in packages {
            cargo.args(["--package", &package.name]);
        }
        self.stand_in.for_rustdoc(&mut cargo);
        cargo
    }

    /// Has rustdoc collect the documentation tests of some packages.
    fn doctests(&self, packages: &[&Package], features: &[&str]) -> Result<Vec<Record>, Error> {
        if packages.is_empty() {
            return Ok(Vec::new());
        }
        let output = self.doctests_command(packages, features).output()?;
        let records = self.stand_in.take()?;
        if !output.status.success() {
            return Err(Error::Cargo(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(records)
    }

    /// The cases among the documentation tests of a package; takes their blocks out of `blocks`.
    fn doctest_cases(
        &self,
        package: &Package,
        records: &[Record],
        blocks: &mut [Option<Block>],
        with: Option<&'static str>,
    ) -> Vec<Case> {
        let folder =
            package.manifest_path.parent().map_or(Path::new(""), |path| path.as_std_path());
        let mut cases = Vec::new();
        for (name, program) in named_programs(records, folder) {
            if !name.rejected {
                continue;
            }
            let Runner::Doctest { path, line } = &program.runner else { continue };
            let file = program.resolved(path);
            let file = file.canonicalize().unwrap_or(file);
            let same = |block: &Block| block.file.canonicalize().is_ok_and(|is| is == file);
            let body = lines(&program.text);
            let at = blocks
                .iter()
                .position(|block| {
                    block.as_ref().is_some_and(|block| block.line == name.line && same(block))
                })
                // A file that is included moves rustdoc's lines.
                .or_else(|| {
                    blocks.iter().position(|block| {
                        block.as_ref().is_some_and(|block| {
                            let block = block.lines();
                            !block.is_empty() && body.windows(block.len()).any(|part| part == block)
                        })
                    })
                });
            let block = at.and_then(|at| blocks[at].take());
            // With features beyond the user's only what was not run before is new.
            if with.is_some() && block.is_none() {
                continue;
            }
            let never_run = with.map(|with| {
                let conditions = block.as_ref().map(|block| block.conditions.join(" and "));
                let why = format!("it exists only with {}", conditions.unwrap_or_default());
                NeverRun { why, with: Some(with) }
            });
            let (file, at, stated, offset) = match &block {
                Some(block) => {
                    let moved = block.line as isize - name.line as isize;
                    (block.file.clone(), block.line, block.stated(), *line as isize + moved)
                }
                None => (file, name.line, Vec::new(), *line as isize),
            };
            cases.push(Case {
                id: name.item,
                package: package.name.to_string(),
                file: self.seen_from_root(&file),
                line: at,
                offset,
                stated,
                program: Some(program.clone()),
                never_run,
            });
        }
        cases
    }

    fn case_of_block(&self, package: &Package, block: &Block, never_run: NeverRun) -> Case {
        let folder =
            package.manifest_path.parent().map_or(Path::new(""), |path| path.as_std_path());
        Case {
            id: block.item.clone(),
            package: package.name.to_string(),
            file: self.seen_from_root(&block.file),
            line: block.line,
            offset: 0,
            stated: block.stated(),
            program: None,
            never_run: Some(never_run),
        }
    }

    fn seen_from_root(&self, file: &Path) -> PathBuf {
        let file = file.canonicalize().unwrap_or(file.to_owned());
        let root = self.root().canonicalize().unwrap_or_default();
        file.strip_prefix(root).map_or(file.clone(), Path::to_owned)
    }

    /// Runs the test targets that are runners of programs in files; returns what they would compile.
    fn run_tests(&self, package: &Package) -> Result<Vec<Program>, Error> {
        let folder = folder_of(package);
        let targets = runners(package);
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let mut cargo = self.cargo("test");
        cargo.args(["--no-fail-fast", "--package", &package.name]);
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
        let programs: Vec<Program> = self
            .stand_in
            .take()?
            .into_iter()
            .filter_map(|record| match record {
                Record::Program(program) => Some(program),
                Record::Doctests { .. } => None,
            })
            .collect();
        let words = String::from_utf8_lossy(&output.stderr);
        if programs.is_empty() && words.contains("could not compile") {
            return Err(Error::Cargo(words.trim().to_owned()));
        }
        Ok(programs)
    }

    /// Makes what the cases of some packages need, after a change.
    ///
    /// Returns cargo's words if that cannot be built.
    pub(crate) fn make(&self, packages: &[&Package]) -> Result<Result<(), String>, Error> {
        let libraries: Vec<&Package> =
            packages.iter().copied().filter(|package| library(package).is_some()).collect();
        let mut cargo = self.doctests_command(&libraries, &[]);
        self.stand_in.only_make(&mut cargo);
        let output = cargo.output()?;
        if !output.status.success() {
            return Ok(Err(first_error(&String::from_utf8_lossy(&output.stderr))));
        }
        for package in packages.iter().filter(|package| !runners(package).is_empty()) {
            match self.run_tests(package) {
                Ok(programs) if programs.is_empty() => {
                    return Ok(Err(format!("the runner of {} compiles no case", package.name)));
                }
                Ok(_) => {}
                Err(Error::Cargo(words)) => return Ok(Err(first_error(&words))),
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(()))
    }

    /// Checks libraries; returns the files and offsets of the compiler's errors.
    pub(crate) fn library_errors(
        &self,
        packages: &[String],
    ) -> Result<Vec<(PathBuf, usize)>, Error> {
        let mut cargo = self.cargo("check");
        cargo.args(["--lib", "--message-format=json"]);
        for package in packages {
            cargo.args(["--package", package]);
        }
        let output = cargo.output()?;
        let mut places = Vec::new();
        for message in Message::parse_stream(output.stdout.as_slice()) {
            if let Message::CompilerMessage(one) = message? {
                let diagnostics = [one.message];
                places.extend(diagnostic::errors(&diagnostics).map(|error| {
                    let span = diagnostic::primary(error);
                    span.map_or_else(Default::default, |span| {
                        (self.root().join(&span.file_name), span.byte_start as usize)
                    })
                }));
            }
        }
        if places.is_empty() && !output.status.success() {
            return Err(Error::Cargo(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok(places)
    }

    /// Checks the tests of some packages, which are lawful. If they do not compile, returns the
    /// compiler's words and whether just static assertions do not hold.
    pub(crate) fn tests_compile(
        &self,
        packages: &[&Package],
    ) -> Result<Result<(), (String, bool)>, Error> {
        let mut cargo = self.cargo("check");
        cargo.args(["--tests", "--keep-going", "--message-format=short"]);
        for package in packages {
            cargo.args(["--package", &package.name]);
        }
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

    /// The cases of the test targets that are runners of programs in files.
    fn files_of_tests(&self, package: &Package) -> Result<Vec<Case>, Error> {
        let folder =
            package.manifest_path.parent().map_or(Path::new(""), |path| path.as_std_path());
        let programs = self.run_tests(package)?;
        let mut cases: BTreeMap<PathBuf, Case> = BTreeMap::new();
        let case = |file: PathBuf, program: Option<Program>, never_run: Option<NeverRun>| Case {
            id: String::new(),
            package: package.name.to_string(),
            file: self.seen_from_root(&file),
            line: 1,
            offset: 0,
            stated: Vec::new(),
            program,
            never_run,
        };
        for program in programs {
            let (Runner::Trybuild { file } | Runner::UiTest { file }) = &program.runner else {
                continue;
            };
            let file = program.resolved(file);
            cases.entry(file.clone()).or_insert_with(|| case(file, Some(program), None));
        }
        for file in source::rust_files(&folder.join("tests")) {
            if file.with_extension("stderr").is_file() && !cases.contains_key(&file) {
                let why = "it has a snapshot, and no test takes it".to_owned();
                let never_run = NeverRun { why, with: None };
                cases.insert(file.clone(), case(file, None, Some(never_run)));
            }
        }
        Ok(cases.into_values().collect())
    }
}

fn folder_of(package: &Package) -> &Path {
    package.manifest_path.parent().map_or(Path::new(""), |path| path.as_std_path())
}

/// The test targets that are runners of programs in files.
fn runners(package: &Package) -> Vec<&Target> {
    const NAMES: [&str; 3] = ["trybuild", "ui_test", "compiletest"];
    let runs = |target: &&Target| {
        source::files(target.src_path.as_std_path()).iter().any(|file| {
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
fn library(package: &Package) -> Option<&Target> {
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

fn why_not_collected(package: &Package, block: &Block) -> String {
    if !block.conditions.is_empty() {
        return format!("it exists only with {}", block.conditions.join(" and "));
    }
    match library(package) {
        None => "the package has no library whose documentation is tested".to_owned(),
        Some(_) => "rustdoc does not collect it: it is no part of the library".to_owned(),
    }
}

/// Gives each case a name that is its own.
fn number(cases: &mut [Case]) {
    cases.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases {
        let place = case.file.display().to_string().replace('\\', "/");
        let name = if case.id.is_empty() { place } else { format!("{place} {}", case.id) };
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        case.id = if *count == 1 { name } else { format!("{name} #{count}") };
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// A documentation test as rustdoc names it.
#[derive(Debug, PartialEq)]
struct Name {
    path: PathBuf,
    item: String,
    line: usize,
    rejected: bool,
}

/// Reads `test src/lib.rs - Type::method (line 7) - compile fail ... ok`.
fn name(said: &str) -> Option<Name> {
    let (name, result) = said.strip_prefix("test ")?.rsplit_once(" ... ")?;
    if result.starts_with("ignored") {
        return None;
    }
    let (name, rest) = name.rsplit_once("(line ")?;
    let (line, rest) = rest.split_once(')')?;
    let (path, item) = name.split_once(" - ")?;
    Some(Name {
        path: path.into(),
        item: item.trim().to_owned(),
        line: line.parse().ok()?,
        rejected: rest.contains("compile fail"),
    })
}

/// The documentation tests of a package that must fail, each with its program.
///
/// rustdoc tells the names to one and the programs to another, and counts lines in two ways that
/// differ by a few. A program that it wraps into a function has the line in the function's name.
fn named_programs<'r>(records: &'r [Record], package: &Path) -> Vec<(Name, &'r Program)> {
    let mut names = Vec::new();
    let mut programs: Vec<(&Path, usize, &Program)> = Vec::new();
    for record in records {
        match record {
            Record::Doctests { package: of, said } if of == package => {
                names
                    .extend(said.iter().filter_map(|line| name(line)).filter(|name| name.rejected));
            }
            Record::Program(program)
                if program.variable("CARGO_MANIFEST_DIR").map(Path::new) == Some(package) =>
            {
                if let Runner::Doctest { path, line } = &program.runner {
                    programs.push((path, *line, program));
                }
            }
            _ => {}
        }
    }
    let mut pairs = Vec::new();
    for name in names {
        let ending = format!("_{}_", name.line);
        let nearest = programs
            .iter()
            .enumerate()
            .filter(|(_, (path, ..))| *path == name.path)
            .filter_map(|(at, (_, line, program))| match wrapped(&program.text) {
                Some(function) => function.contains(&ending).then_some((0, at)),
                None => Some((1 + line.abs_diff(name.line), at)),
            })
            .min();
        if let Some((_, at)) = nearest {
            pairs.push((name, programs.swap_remove(at).2));
        }
    }
    pairs
}

/// The name of the function that rustdoc made of a program without `main`.
fn wrapped(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("fn _doctest_main_")?;
    rest.split_once('(').map(|(name, _)| name)
}
