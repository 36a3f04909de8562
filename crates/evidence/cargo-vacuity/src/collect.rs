//! The cases of a workspace: those that their runners run, and those that nobody does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::Package;

use crate::Error;
use crate::doctest::named_programs;
use crate::program::{Program, Runner};
use crate::rules;
use crate::source::{self, Block};
use crate::stand_in::Record;
use crate::workspace::{Workspace, folder_of, library};

/// One test that a program does not compile.
#[derive(Debug, Clone, Default)]
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
    /// What its documentation says before it, and its comments, in lower case.
    pub(crate) claim: String,
    /// The lines of code, as in the file, whose comment says that there is the error.
    pub(crate) marked: Vec<usize>,
    pub(crate) program: Option<Program>,
    /// Why no runner runs it, and what would.
    pub(crate) never_run: Option<String>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) cases: Vec<Case>,
    /// What could not be looked at, and why.
    pub(crate) problems: Vec<String>,
}

/// Finds all cases of the selected packages; `tell` hears what is being done.
pub(crate) fn collect(workspace: &Workspace, tell: &dyn Fn(&str)) -> Result<Collected, Error> {
    let packages = workspace.packages()?;
    let mut problems = Vec::new();
    let mut cases = Vec::new();

    tell("documentation tests");
    let records = workspace.doctests(&packages, &[])?;
    let mut left = Vec::new();
    for &package in &packages {
        let mut blocks = blocks_of(package);
        cases.extend(doctests(workspace, package, &records, &mut blocks, false));
        left.push((package, blocks));
    }
    let conditional = |block: &Block| !block.conditions.is_empty();
    if left.iter().any(|(_, blocks)| blocks.iter().flatten().any(conditional)) {
        tell("documentation tests, with all features");
        match workspace.doctests(&packages, &["--all-features"]) {
            Ok(records) => {
                for (package, blocks) in &mut left {
                    cases.extend(doctests(workspace, package, &records, blocks, true));
                }
            }
            Err(error) => problems.push(format!("with --all-features: {error}")),
        }
    }
    for (package, blocks) in left {
        for block in blocks.into_iter().flatten().filter(|block| !block.of_macro) {
            let mut case = Case::new(workspace, package, &block.file);
            case.never_run = Some(why_not_collected(package, &block));
            case.adopt(&block, workspace);
            cases.push(case);
        }
    }

    tell("trybuild and ui_test");
    for package in packages {
        match in_files(workspace, package) {
            Ok(found) => cases.extend(found),
            Err(error) => problems.push(format!("{}: {error}", package.name)),
        }
    }
    number(&mut cases);
    Ok(Collected { cases, problems })
}

impl Case {
    fn new(workspace: &Workspace, package: &Package, file: &Path) -> Self {
        Case {
            package: package.name.to_string(),
            file: workspace.seen_from_root(file),
            line: 1,
            ..Case::default()
        }
    }

    /// Takes over what the source says of it.
    fn adopt(&mut self, block: &Block, workspace: &Workspace) {
        if self.id.is_empty() {
            self.id.clone_from(&block.item);
        }
        self.file = workspace.seen_from_root(&block.file);
        self.line = block.line;
        self.stated = block.stated();
        self.says(&block.before, &block.body, block.line + 1);
    }

    /// Reads what is said in words: before the program, and in its text, which begins at line `first`.
    fn says(&mut self, before: &str, text: &str, first: usize) {
        self.claim = before.to_lowercase();
        for (index, line) in text.lines().enumerate() {
            let Some((code, comment)) = line.split_once("//") else { continue };
            let comment = comment.to_lowercase();
            if !code.trim().is_empty() && rules::marks(&comment) {
                self.marked.push(first + index);
            }
            self.claim.push('\n');
            self.claim.push_str(&comment);
        }
    }
}

/// The blocks in a package's sources, each once.
fn blocks_of(package: &Package) -> Vec<Option<Block>> {
    let mut seen = BTreeSet::new();
    let roots = package.targets.iter().map(|target| target.src_path.as_std_path());
    let blocks = roots.flat_map(|root| source::walk(root).blocks);
    blocks.filter(|block| seen.insert((block.file.clone(), block.line))).map(Some).collect()
}

/// The cases among the documentation tests of a package; takes their blocks out of `blocks`. With
/// `all_features`, which are beyond the user's, only those that were left there.
fn doctests(
    workspace: &Workspace,
    package: &Package,
    records: &[Record],
    blocks: &mut [Option<Block>],
    all_features: bool,
) -> Vec<Case> {
    let mut cases = Vec::new();
    let known: Vec<Block> = blocks.iter().flatten().cloned().collect();
    let is_case =
        |program: &Program| known.iter().any(|block| block.offset_in(&program.text).is_some());
    for (name, program) in named_programs(records, folder_of(package), is_case) {
        let Runner::Doctest { path, line } = &program.runner else { continue };
        let file = program.resolved(path);
        let at = place(blocks, &file, name.line, &program.text);
        let block = at.and_then(|at| blocks[at].take());
        if all_features && block.is_none() {
            continue;
        }
        let never_run = block.as_ref().filter(|_| all_features).map(|block| {
            format!("{}; `--all-features` runs it", why_not_collected(package, block))
        });
        let mut case = Case {
            id: name.item,
            line: name.line,
            offset: *line as isize,
            program: Some(program.clone()),
            never_run,
            ..Case::new(workspace, package, &file)
        };
        if let Some(block) = block {
            let moved = block.line as isize - name.line as isize;
            case.offset = block.offset_in(&program.text).unwrap_or(case.offset + moved);
            case.adopt(&block, workspace);
        }
        cases.push(case);
    }
    cases
}

/// Which block a documentation test is. A file that is included moves rustdoc's lines: then the
/// text tells. Where rustdoc moved lines of the text too, as `extern crate`, it is the nearest.
fn place(blocks: &[Option<Block>], file: &Path, line: usize, text: &str) -> Option<usize> {
    let file = file.canonicalize().ok();
    let in_file = |block: &Block| block.file.canonicalize().ok() == file;
    let here = |block: &Block| block.line == line && in_file(block);
    let near = |block: &Block| block.line.abs_diff(line) <= 2 && in_file(block);
    let same = |block: &Block| block.offset_in(text).is_some();
    let position = |is: &dyn Fn(&Block) -> bool| {
        blocks.iter().position(|block| block.as_ref().is_some_and(is))
    };
    position(&here).or_else(|| position(&same)).or_else(|| position(&near))
}

/// The cases that are files of their own.
fn in_files(workspace: &Workspace, package: &Package) -> Result<Vec<Case>, Error> {
    let mut cases: BTreeMap<PathBuf, Case> = BTreeMap::new();
    for program in workspace.run_tests(package)? {
        if let Some(file) = program.file() {
            let mut case = Case::new(workspace, package, &file);
            case.stated = source::marked(&program.text);
            case.says("", &program.text, 1);
            case.program = Some(program);
            cases.entry(file).or_insert(case);
        }
    }
    for file in source::rust_files(&folder_of(package).join("tests")) {
        if file.with_extension("stderr").is_file() && !cases.contains_key(&file) {
            let mut case = Case::new(workspace, package, &file);
            case.never_run = Some("it has a snapshot, and no test takes it".to_owned());
            cases.insert(file, case);
        }
    }
    Ok(cases.into_values().collect())
}

fn why_not_collected(package: &Package, block: &Block) -> String {
    if !block.conditions.is_empty() {
        format!("it exists only with {}", block.conditions.join(" and "))
    } else if library(package).is_none() {
        "the package has no library whose documentation is tested".to_owned()
    } else {
        "rustdoc does not collect it: it is no part of the library".to_owned()
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
