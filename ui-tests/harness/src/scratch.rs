//! A copy of the workspace in which weakenings are tried.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cargo_vacuity::copy::bring_up_to_date;
use cargo_vacuity::parallel::in_parallel;

use crate::compiler::{Compiler, Libraries, Make, Refusal};
use crate::weakening::Weakening;
use crate::{Case, Complaint, Room, Suite, whole};

/// What became of a weakening.
#[derive(Debug)]
pub enum Outcome {
    /// It proves nothing: an edit does not apply, or the library does not build with it.
    Void(String),
    /// It breaks what is lawful.
    BreaksTwins(Vec<Complaint>),
    /// These cases compile now.
    LetsThrough(Vec<Case>),
}

/// A copy of the workspace, with its libraries built.
#[derive(Debug)]
pub struct Scratch {
    workspace: PathBuf,
    suite: Suite,
    libraries: Libraries,
    compilers: Vec<Compiler>,
}

impl Scratch {
    /// Copies what `suite` says into `folder` and builds it. A copy that is there from an
    /// earlier run is brought up to date, so that little has to be built again.
    ///
    /// # Errors
    ///
    /// If the copy cannot be made or does not build.
    pub fn new(suite: &Suite, folder: &Path) -> Result<Self, String> {
        let workspace = folder.join("workspace");
        let failed = |error: io::Error| format!("{}: {error}", workspace.display());
        fs::create_dir_all(&workspace).map_err(failed)?;
        for part in &suite.scratch {
            bring_up_to_date(&suite.workspace().join(part), &workspace.join(part))
                .map_err(failed)?;
        }
        let suite = suite.in_copy(&workspace).map_err(failed)?;
        let manifests: Vec<_> = suite.rooms().iter().map(|room| room.manifest()).collect();
        let libraries = Libraries::of(&manifests, Make::Check, Some(&folder.join("target")))?;
        let compilers = libraries.make()?;
        Ok(Scratch { workspace, suite, libraries, compilers })
    }

    /// The copy without an edit: no case may compile and every twin must.
    pub fn unweakened(&self) -> Outcome {
        self.compile(&self.compilers, &|_| true)
    }

    /// Tries one weakening, and takes it back.
    ///
    /// # Errors
    ///
    /// If a file of the copy cannot be written.
    pub fn weakened(&self, weakening: &Weakening) -> io::Result<Outcome> {
        let edited = match weakening.edited(&self.workspace) {
            Ok(edited) => edited,
            Err(what) => return Ok(Outcome::Void(what)),
        };
        let mut originals = Vec::new();
        for (file, text) in &edited {
            let file = self.workspace.join(file);
            originals.push((file.clone(), fs::read_to_string(&file)?));
            fs::write(&file, text)?;
        }
        let is_manifest = |(file, _): &(PathBuf, String)| file.ends_with("Cargo.toml");
        let made = if originals.iter().any(is_manifest) {
            self.libraries.again().and_then(|libraries| libraries.make())
        } else {
            self.libraries.make()
        };
        let outcome = match made {
            Err(words) => Outcome::Void(words),
            Ok(compilers) => self.compile(&compilers, &|compiler| {
                originals.iter().any(|edit| is_manifest(edit) || compiler.sees(&edit.0))
            }),
        };
        for (file, text) in originals {
            fs::write(file, text)?;
        }
        Ok(outcome)
    }

    /// Compiles twins and cases of the rooms that are `affected`.
    fn compile(&self, compilers: &[Compiler], affected: &dyn Fn(&Compiler) -> bool) -> Outcome {
        let rooms = self.suite.rooms();
        let rooms: Vec<_> =
            rooms.iter().zip(compilers).filter(|(_, compiler)| affected(compiler)).collect();
        let broken = in_parallel(&rooms, |(room, compiler)| whole::twin_complaints(room, compiler));
        let broken: Vec<_> = broken.into_iter().flatten().collect();
        if !broken.is_empty() {
            return Outcome::BreaksTwins(broken);
        }
        let compiled = in_parallel(&rooms, |(room, compiler)| compiling(room, compiler));
        Outcome::LetsThrough(compiled.into_iter().flatten().collect())
    }
}

/// The cases of a room that compile.
///
/// Most do not, and to start the compiler for each takes longest. So all are compiled together:
/// where the marked error is shown, the case still fails. The errors of one pass of the compiler
/// hide those of a later pass, so the others are compiled together again, until no marked error is
/// shown. Then they are tried together with their like, and what shows no error then is asked by
/// itself.
fn compiling(room: &Room, compiler: &Compiler) -> Vec<Case> {
    let mut left = room.cases().0;
    loop {
        let before = left.len();
        left = without_error(compiler, "all", left);
        if left.len() == before || left.is_empty() {
            break;
        }
    }
    let mut by_code: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for case in left {
        by_code.entry(case.mark.code.to_string()).or_default().push(case);
    }
    let alike = by_code.into_iter().flat_map(|(code, cases)| without_error(compiler, &code, cases));
    alike.filter(|case| compiler.check(&case.file).is_ok()).collect()
}

/// The cases whose marked error is not shown when all are compiled together.
fn without_error(compiler: &Compiler, name: &str, mut cases: Vec<Case>) -> Vec<Case> {
    let checked = compiler.check_together(name, cases.iter().map(|case| case.file.as_path()));
    let shown: Vec<_> = checked.err().iter().flat_map(Refusal::places).collect();
    cases.retain(|Case { file, mark, .. }| {
        !shown.contains(&(mark.code.clone(), file.clone(), mark.line))
    });
    cases
}
