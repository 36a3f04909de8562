//! Mutants, tried in copies of the workspace.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cargo_metadata::diagnostic::Diagnostic;
use cargo_metadata::{Package, TargetKind};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::explained::Explained;
use super::together::{Guard, without_error};
use super::{Mutant, Probe, generate, probes};
use crate::check::Tell;
use crate::collect::collect;
use crate::program::Answer;
use crate::verdict::{Judge, Verdict};
use crate::workspace::{Selection, Workspace};
use crate::{Error, source};
use cargo_vacuity::copy::bring_up_to_date;
use cargo_vacuity::diagnostic;
use cargo_vacuity::parallel::in_parallel;

/// What is tried, and how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Try only the mutants whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Ask only the cases of this package; may be given more than once.
    #[arg(long, value_name = "NAME")]
    cases: Vec<String>,
    /// How many copies to work in.
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,
    /// Begin no mutant after so many minutes.
    #[arg(long, value_name = "MINUTES")]
    limit: Option<u64>,
}

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fate {
    /// This case compiles with it, or this static assertion does not hold any more.
    Caught(String),
    /// No case notices.
    Survives,
    /// It proves nothing: it does not build, or breaks what is lawful. With the compiler's words.
    Void(String),
    /// It changes nothing: the type has the trait anyway.
    Already,
    /// It is not part of what is built: it exists only under these conditions.
    Absent(String),
}

/// A mutant and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tried {
    /// File, operator and item.
    pub(crate) mutant: String,
    /// What becomes possible.
    pub(crate) says: String,
    /// The file, seen from the workspace.
    pub(crate) file: PathBuf,
    /// The line, from 1.
    pub(crate) line: usize,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// What a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Mutation {
    /// The mutants that were tried, in the order of the sources.
    pub(crate) tried: Vec<Tried>,
    /// How many are left for a later run.
    pub(crate) left: usize,
    /// How many cases could have caught them.
    pub(crate) cases: usize,
    /// Survivors without an explanation, and explanations that explain nothing.
    pub(crate) complaints: Vec<String>,
}

/// Lists the mutants of a selection, by name and what each makes possible.
///
/// # Errors
///
/// If cargo does not know the packages, or a file is not Rust.
pub(crate) fn list(
    selection: &Selection,
    options: &Options,
    exe: &Path,
) -> Result<Vec<(String, String)>, Error> {
    let workspace = Workspace::open(selection.clone(), exe, None)?;
    let mutants = of_packages(&workspace, options)?;
    Ok(mutants.iter().map(|mutant| (mutant.name(), mutant.says.clone())).collect())
}

/// Tries the mutants of a selection.
///
/// # Errors
///
/// If the workspace cannot be copied or built, or a case compiles without any mutant.
pub(crate) fn mutate(
    selection: &Selection,
    options: &Options,
    exe: &Path,
    tell: &dyn Tell,
) -> Result<Mutation, Error> {
    let workspace = Workspace::open(selection.clone(), exe, None)?;
    let mutants = of_packages(&workspace, options)?;
    let explained = Explained::read(workspace.root())?;
    let folder = workspace.metadata.target_directory.as_std_path().join("vacuity");
    let begun = Instant::now();

    tell.begins("copies of the workspace", None);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let jobs = options.jobs.unwrap_or(cores).clamp(1, mutants.len().max(1));
    let mut asked = dependents(&workspace)?;
    if !options.cases.is_empty() {
        let changed = names(workspace.packages()?);
        asked.retain(|name| changed.contains(name) || options.cases.contains(name));
    }
    let first = Copy::new(&workspace, asked, &folder.join("0"), exe, None, tell)?;
    let numbers: Vec<usize> = (1..jobs).collect();
    let others = in_parallel(&numbers, |number| {
        let asked = first.workspace.selection.packages.clone();
        Copy::new(&workspace, asked, &folder.join(number.to_string()), exe, Some(&first), tell)
    });
    let others = others.into_iter().collect::<Result<Vec<_>, Error>>()?;
    let cases = first.guards.len();
    let mut idle = first.already(&mutants)?;
    idle.extend(first.absent(&mutants)?);

    let journal = Journal::open(&folder, &first, &mutants, &explained)?;
    tell.begins("mutants", Some(mutants.len()));
    let next = AtomicUsize::new(0);
    let limit = options.limit.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
    let work = |copy: &Copy| {
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let late = limit.is_some_and(|limit| begun.elapsed() > limit);
            if !late && !journal.knows(&mutant.name()) {
                let noted = match idle.get(&mutant.name()) {
                    Some(fate) => Ok(fate.clone()),
                    None => copy.fate(mutant, explained.named(&mutant.name())),
                };
                if let Err(error) = noted.and_then(|fate| journal.note(mutant, fate)) {
                    // Nobody begins another.
                    next.store(mutants.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
            tell.done();
        }
        Ok(())
    };
    thread::scope(|scope| {
        let copies = std::iter::once(&first).chain(&others);
        let workers: Vec<_> = copies.map(|copy| scope.spawn(|| work(copy))).collect();
        let ends = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ends.collect::<Result<(), Error>>()
    })?;
    let tried = journal.in_order(&mutants);
    let left = mutants.len() - tried.len();
    let whole = left == 0 && options.only.is_none();
    let complaints = explained.complaints(&tried, whole);
    Ok(Mutation { tried, left, cases, complaints })
}

/// The mutants of the libraries of the selected packages.
fn of_packages(workspace: &Workspace, options: &Options) -> Result<Vec<Mutant>, Error> {
    let mut mutants = Vec::new();
    for package in workspace.packages()? {
        let root = library_root(package);
        for file in root.map_or(BTreeSet::new(), |root| source::walk(root).files) {
            let seen = file.strip_prefix(workspace.root()).unwrap_or(&file);
            mutants.extend(generate(seen, &read(&file)?).map_err(Error::format(&file))?);
        }
    }
    if let Some(only) = &options.only {
        mutants.retain(|mutant| mutant.name().contains(only));
    }
    Ok(mutants)
}

fn read(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(Error::file(file))
}

/// The root of a package's library, unless that is of macros.
fn library_root(package: &Package) -> Option<&Path> {
    let is_library = |kind: &TargetKind| matches!(kind, TargetKind::Lib | TargetKind::RLib);
    let library = package.targets.iter().find(|target| target.kind.iter().any(is_library));
    library.map(|target| target.src_path.as_std_path())
}

/// A copy of the workspace with build output of its own.
///
/// Cargo names the output of a package by where it is in its workspace, so that two copies in one
/// folder for output would take each other's libraries for their own.
#[derive(Debug)]
struct Copy {
    /// Its packages are those whose tests and cases are asked.
    workspace: Workspace,
    guards: Vec<Guard>,
}

impl Copy {
    /// Makes a copy in `folder`, builds it and finds its cases. Those of `like` are not judged again.
    fn new(
        original: &Workspace,
        asked: Vec<String>,
        folder: &Path,
        exe: &Path,
        like: Option<&Copy>,
        tell: &dyn Tell,
    ) -> Result<Self, Error> {
        let root = folder.join("workspace");
        copy_workspace(original, &root).map_err(Error::file(&root))?;
        let mut selection = original.selection.clone();
        selection.manifest = Some(root.join("Cargo.toml"));
        (selection.packages, selection.workspace) = (asked, false);
        let mut workspace = Workspace::open(selection, exe, Some(folder.join("target")))?;
        let collected = collect(&workspace, &|_| ())?;
        if let Some(problem) = collected.problems.into_iter().next() {
            return Err(Error::Cargo(problem));
        }
        let (count, judge) = (collected.cases.len(), Judge::new(&workspace, &collected.cases));
        let cases = collected.cases.into_iter().filter(|case| case.never_run.is_none());
        let mut guards = Vec::new();
        if let Some(like) = like {
            guards.extend(cases.filter_map(|case| {
                let same = like.guards.iter().find(|guard| guard.id == case.id)?;
                Some(Guard { program: case.program?, ..same.clone() })
            }));
        } else {
            tell.begins("cases", Some(count));
            let scratch = tempfile::tempdir()?;
            for case in cases {
                let finding = judge.judge(&case, scratch.path())?;
                tell.done();
                let finding = finding.filter(|finding| finding.verdict == Verdict::Guards);
                guards.extend(finding.and_then(|finding| Guard::new(case, &finding)));
            }
        }
        let originals = names(original.packages()?);
        // The others have no part in what follows.
        workspace.selection.packages.retain(|name| {
            originals.contains(name) || guards.iter().any(|guard| guard.package == *name)
        });
        Ok(Copy { workspace, guards })
    }

    /// The mutants that are no part of what is built: the compiler is asked about their conditions.
    fn absent(&self, mutants: &[Mutant]) -> Result<BTreeMap<String, Fate>, Error> {
        const MARK: &str = "vacuity asks about condition ";
        let mut absent = BTreeMap::new();
        for package in self.workspace.packages()? {
            let Some(root) = library_root(package) else { continue };
            let walk = source::walk(root);
            let mut of_mutants = Vec::new();
            for mutant in mutants {
                let file = self.workspace.root().join(&mutant.file);
                let conditions = walk.conditions(&file, mutant.line).into_iter();
                of_mutants.extend(conditions.map(|condition| (mutant, condition)));
            }
            let asked: BTreeSet<&String> =
                of_mutants.iter().map(|(_, condition)| condition).collect();
            if asked.is_empty() {
                continue;
            }
            let mut with = read(root)?;
            for (at, condition) in asked.iter().enumerate() {
                with += &format!("\n#[cfg({condition})] compile_error!(\"{MARK}{at}.\");");
            }
            let failed = self.with(&[(root.to_owned(), with)], || self.library_errors())?;
            let fails = |said: String| failed.iter().any(|error| error.message == said);
            let holds = |at: usize| fails(format!("{MARK}{at}."));
            let asked = asked.into_iter().enumerate();
            let missing: BTreeSet<_> =
                asked.filter(|(at, _)| !holds(*at)).map(|(_, condition)| condition).collect();
            for (mutant, condition) in &of_mutants {
                if missing.contains(condition) {
                    absent.insert(mutant.name(), Fate::Absent(condition.clone()));
                }
            }
        }
        Ok(absent)
    }

    /// Checks the libraries, all together, so that their features are those of the cases.
    fn library_errors(&self) -> Result<Vec<Diagnostic>, Error> {
        let mut libraries = self.workspace.packages()?;
        libraries.retain(|package| library_root(package).is_some());
        self.workspace.library_errors(&libraries)
    }

    /// Does `work` while files of the copy have other texts.
    fn with<T>(
        &self,
        texts: &[(PathBuf, String)],
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let old = texts.iter().map(|(path, _)| read(path)).collect::<Result<Vec<_>, _>>()?;
        for (path, text) in texts {
            fs::write(path, text)?;
        }
        let result = work();
        for ((path, _), text) in texts.iter().zip(old) {
            fs::write(path, text)?;
        }
        result
    }

    /// The mutants that would add a trait which the type has anyway.
    fn already(&self, mutants: &[Mutant]) -> Result<BTreeMap<String, Fate>, Error> {
        let mut probed = Vec::new();
        for file in mutants.iter().map(|mutant| &mutant.file).collect::<BTreeSet<_>>() {
            let path = self.workspace.root().join(file);
            let text = read(&path)?;
            let of_file = probes(file, &text).map_err(Error::format(&path))?;
            probed.push((path, text, of_file));
        }
        // A probe that does not compile hides others: they are asked again without it.
        loop {
            let (mut texts, mut places) = (Vec::new(), Vec::new());
            for (path, text, of_file) in &probed {
                let (with, ranges) = Probe::insert(of_file, text).map_err(Error::format(path))?;
                texts.push((path.clone(), with));
                places.push(ranges);
            }
            let failed = self.with(&texts, || self.library_errors())?;
            if failed.is_empty() {
                let left = probed.into_iter().flat_map(|(.., of_file)| of_file);
                return Ok(left.map(|probe| (probe.mutant, Fate::Already)).collect());
            }
            let mut removed = false;
            for ((path, _, of_file), ranges) in probed.iter_mut().zip(places) {
                let fails = |range: &Range<usize>| {
                    failed.iter().filter_map(diagnostic::primary).any(|span| {
                        self.workspace.root().join(&span.file_name) == *path
                            && range.contains(&(span.byte_start as usize))
                    })
                };
                let mut ranges = ranges.iter();
                let before = of_file.len();
                of_file.retain(|_| ranges.next().is_none_or(|range| !fails(range)));
                removed |= of_file.len() < before;
            }
            // An error that is no probe's: nothing is known.
            if !removed {
                return Ok(BTreeMap::new());
            }
        }
    }

    /// Tries one mutant. `named` is the case that is said to catch it.
    fn fate(&self, mutant: &Mutant, named: Option<&str>) -> Result<Fate, Error> {
        let path = self.workspace.root().join(&mutant.file);
        match mutant.apply(&read(&path)?) {
            Ok(changed) => self.with(&[(path, changed)], || self.noticed(mutant, named)),
            Err(error) => Ok(Fate::Void(error.to_string())),
        }
    }

    fn noticed(&self, mutant: &Mutant, named: Option<&str>) -> Result<Fate, Error> {
        match self.workspace.make(&self.workspace.packages()?) {
            Err(Error::Cargo(words)) => return Ok(Fate::Void(words)),
            made => made?,
        }
        let scratch = tempfile::tempdir()?;
        let rustc = &self.workspace.tools.rustc;
        // Cases that are about the item come first: most mutants are caught by one of them.
        let about: Vec<&str> =
            mutant.item.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let is_about = |guard: &Guard| about.iter().any(|word| guard.names.contains(*word));
        let (near, far): (Vec<Guard>, Vec<Guard>) = self
            .guards
            .iter()
            .filter(|guard| named.is_none_or(|named| guard.id == named))
            .cloned()
            .partition(is_about);
        for guards in [near, far] {
            for at in without_error(&guards, rustc, scratch.path())? {
                let guard = &guards[at];
                if let Answer::Compiles = guard.program.compile(rustc, scratch.path())? {
                    return Ok(Fate::Caught(guard.id.clone()));
                }
            }
        }
        Ok(match self.workspace.tests_compile(&self.workspace.packages()?)? {
            Ok(()) => Fate::Survives,
            Err((words, true)) => Fate::Caught(words),
            Err((words, false)) => Fate::Void(format!("it breaks what is lawful: {words}")),
        })
    }
}

/// Copies what the workspace consists of, build output and repository left out.
fn copy_workspace(original: &Workspace, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let target = original.metadata.target_directory.as_std_path();
    let mut wanted = BTreeSet::new();
    for entry in fs::read_dir(original.root())? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path == target || name == "target" || name == ".git" {
            continue;
        }
        bring_up_to_date(&path, &to.join(&name))?;
        wanted.insert(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !wanted.contains(&entry.file_name()) {
            let path = entry.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
    }
    Ok(())
}

fn names(packages: Vec<&Package>) -> Vec<String> {
    packages.iter().map(|package| package.name.to_string()).collect()
}

/// The selected packages, and those of the workspace that depend on them.
fn dependents(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let mut names = names(workspace.packages()?);
    let members = workspace.metadata.workspace_packages();
    let new = |names: &[String]| {
        let depends = |package: &&&Package| {
            let mut on = package.dependencies.iter().filter(|one| one.path.is_some());
            !names.contains(&package.name) && on.any(|one| names.contains(&one.name))
        };
        members.iter().find(depends).map(|package| package.name.to_string())
    };
    while let Some(name) = new(&names) {
        names.push(name);
    }
    Ok(names)
}

/// What is known already, from this run or from one that was interrupted.
#[derive(Debug)]
struct Journal(Mutex<(fs::File, Vec<Tried>)>);

impl Journal {
    /// Opens the journal of just these sources, cases, features and compiler, and of who is said to
    /// catch what.
    fn open(
        folder: &Path,
        copy: &Copy,
        mutants: &[Mutant],
        explained: &Explained,
    ) -> Result<Self, Error> {
        let mut hasher = DefaultHasher::new();
        copy.workspace.tools.version.hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        copy.workspace.selection.cargo().hash(&mut hasher);
        for file in mutants.iter().map(|mutant| &mutant.file).collect::<BTreeSet<_>>() {
            fs::read(copy.workspace.root().join(file))?.hash(&mut hasher);
        }
        for mutant in mutants {
            explained.named(&mutant.name()).hash(&mut hasher);
        }
        for guard in &copy.guards {
            (&guard.id, Some(&guard.program.text)).hash(&mut hasher);
        }
        let path = folder.join(format!("mutants-{:016x}.jsonl", hasher.finish()));
        let text = fs::read_to_string(&path).unwrap_or_default();
        let known = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        Ok(Journal(Mutex::new((file.map_err(Error::file(&path))?, known))))
    }

    fn knows(&self, name: &str) -> bool {
        let (_, known) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|tried| tried.mutant == name)
    }

    fn note(&self, mutant: &Mutant, fate: Fate) -> Result<(), Error> {
        let tried = Tried {
            mutant: mutant.name(),
            says: mutant.says.clone(),
            file: mutant.file.clone(),
            line: mutant.line,
            fate,
        };
        let mut line = serde_json::to_string(&tried).map_err(io::Error::from)?;
        line.push('\n');
        let (file, known) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())?;
        known.push(tried);
        Ok(())
    }

    fn in_order(self, mutants: &[Mutant]) -> Vec<Tried> {
        let (_, known) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let of = |mutant: &Mutant| {
            let name = mutant.name();
            known.iter().find(|tried| tried.mutant == name).cloned()
        };
        mutants.iter().filter_map(of).collect()
    }
}
