//! Tries every declared weakening in a scratch copy of the workspace, and says which cases it
//! lets through: `cargo run -p ui-tests-harness --bin weaken`.
//!
//! While a suite is being written, `--only NAME`, `--claim PREFIX` and `--room FOLDER` try less.
//! Without `--suite FILE` it is the suite that this package is part of.
//!
//! It ends with 1 if a weakening does not build, breaks a twin or is caught by no case of its
//! claim, or if a case is let through by no weakening and not listed as unproven.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use ui_harness::compiler::require_pinned;
use ui_harness::scratch::{Outcome, Scratch};
use ui_harness::weakening::{Declared, Weakening, void};
use ui_harness::{Case, Complaint, Suite};

const USAGE: &str = "usage: weaken [--suite FILE] [--room FOLDER] [--only NAME] [--claim PREFIX]";

/// Which weakenings of which suite are tried.
#[derive(Default)]
struct Selection {
    suite: Option<PathBuf>,
    room: Option<String>,
    only: Option<String>,
    claim: Option<String>,
}

impl Selection {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut selection = Selection::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--suite" => selection.suite = Some(arguments.next()?.into()),
                "--room" => selection.room = Some(arguments.next()?),
                "--only" => selection.only = Some(arguments.next()?),
                "--claim" => selection.claim = Some(arguments.next()?),
                _ => return None,
            }
        }
        Some(selection)
    }

    fn takes(&self, weakening: &Weakening) -> bool {
        self.only.as_ref().is_none_or(|name| weakening.name == *name)
            && self.claim.as_ref().is_none_or(|prefix| weakening.claim.starts_with(prefix))
    }

    fn is_all(&self) -> bool {
        self.room.is_none() && self.only.is_none() && self.claim.is_none()
    }
}

fn main() -> ExitCode {
    let Some(selection) = Selection::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let mut suite = match &selection.suite {
        Some(file) => Suite::open(file),
        None => Suite::of_package(env!("CARGO_MANIFEST_DIR")),
    };
    if let Some(room) = &selection.room {
        suite.keep_room(Path::new(room));
    }
    require_pinned(&suite.toolchain());
    match run(&suite, &selection) {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            println!("\n{} complaints:", complaints.len());
            for complaint in complaints {
                println!("  {complaint}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the scratch copy is made: below the folder that this program was built into.
fn scratch_folder() -> PathBuf {
    let built = std::env::current_exe().unwrap_or_default();
    built.ancestors().nth(2).unwrap_or(Path::new("target")).join("weaken")
}

fn run(suite: &Suite, selection: &Selection) -> Result<Vec<Complaint>, String> {
    let begun = Instant::now();
    let declared = Declared::read(suite);
    let mut complaints = if selection.is_all() { declared.complaints(suite) } else { Vec::new() };
    let selected: Vec<_> = declared.weakenings.iter().filter(|one| selection.takes(one)).collect();
    if selected.is_empty() {
        return Err("no such weakening".to_owned());
    }

    let (first, others) = scratches(suite, selected.len())?;
    match first.unweakened() {
        Outcome::LetsThrough(cases) if cases.is_empty() => {}
        Outcome::LetsThrough(cases) => {
            return Err(format!("without any weakening these cases compile: {}", ids(&cases)));
        }
        Outcome::BreaksTwins(twins) => {
            let twins: Vec<_> = twins.iter().map(ToString::to_string).collect();
            return Err(twins.join("\n"));
        }
        Outcome::Void(words) => return Err(words),
    }
    println!("libraries and cases compile as they should ({:.0?})\n", begun.elapsed());

    let widest = |text: fn(&Weakening) -> &str| {
        selected.iter().map(|weakening| text(weakening).chars().count()).max().unwrap_or_default()
    };
    let (claim, name) = (widest(|one| &one.claim), widest(|one| &one.name));
    println!("{:<claim$}  {:<name$}  cases let through", "claim", "weakening");
    let mut proven = BTreeSet::new();
    let all: Vec<_> = std::iter::once(first).chain(others).collect();
    try_each(&all, &selected, |weakening, outcome| {
        let (shown, complaint) = judge(weakening, &outcome);
        println!("{:<claim$}  {:<name$}  {shown}", weakening.claim, weakening.name);
        complaints.extend(complaint.map(|what| Complaint { file: weakening.name.clone(), what }));
        if let Outcome::LetsThrough(cases) = outcome {
            proven.extend(cases.into_iter().map(|case| case.id));
        }
    })?;
    if selection.is_all() {
        complaints.extend(unproven(suite, &declared, &proven));
    }
    // An edit that does not apply was complained of before it was tried.
    complaints.sort();
    complaints.dedup();
    println!("\n{} weakenings, {:.0?}", selected.len(), begun.elapsed());
    Ok(complaints)
}

/// Makes a scratch copy for each core, but no more than there are weakenings.
fn scratches(suite: &Suite, most: usize) -> Result<(Scratch, Vec<Scratch>), String> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let make = |number: usize| Scratch::new(suite, &scratch_folder().join(number.to_string()));
    thread::scope(|scope| {
        let others: Vec<_> =
            (1..cores.min(most)).map(|number| scope.spawn(move || make(number))).collect();
        let first = make(0)?;
        let others = others.into_iter().map(|other| match other.join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        Ok((first, others.collect::<Result<_, _>>()?))
    })
}

/// Tries the weakenings, one at a time in each scratch copy, and hands on what became of them in
/// their order.
fn try_each(
    scratches: &[Scratch],
    weakenings: &[&Weakening],
    mut tell: impl FnMut(&Weakening, Outcome),
) -> Result<(), String> {
    let next = AtomicUsize::new(0);
    let (sender, tried) = mpsc::channel();
    thread::scope(|scope| {
        for scratch in scratches {
            let (next, sender) = (&next, sender.clone());
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(weakening) = weakenings.get(index) else { return };
                    if sender.send((index, scratch.weakened(weakening))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut told) = (BTreeMap::new(), 0);
        for (index, outcome) in tried {
            waiting.insert(index, outcome.map_err(|error| error.to_string())?);
            while let Some(outcome) = waiting.remove(&told) {
                tell(weakenings[told], outcome);
                told += 1;
            }
        }
        Ok(())
    })
}

/// The table's last column, and what is wrong with the weakening.
fn judge(weakening: &Weakening, outcome: &Outcome) -> (String, Option<String>) {
    match outcome {
        Outcome::Void(words) => ("VOID".to_owned(), Some(void(words))),
        Outcome::BreaksTwins(twins) => {
            let twins: Vec<_> = twins.iter().map(ToString::to_string).collect();
            let what = format!("it breaks what is lawful:\n{}", twins.join("\n"));
            ("BREAKS TWINS".to_owned(), Some(what))
        }
        Outcome::LetsThrough(cases) => {
            let caught = cases.iter().any(|case| case.claim == weakening.claim);
            let what = format!("no case of {} compiles with it: write one", weakening.claim);
            let mark = if caught { "" } else { "UNCAUGHT " };
            (format!("{mark}{}", ids(cases)), (!caught).then_some(what))
        }
    }
}

/// Cases that no weakening lets through and that do not say why, and the other way round.
fn unproven(suite: &Suite, declared: &Declared, proven: &BTreeSet<String>) -> Vec<Complaint> {
    let cases = suite.rooms().into_iter().flat_map(|room| room.cases().0);
    let judged = cases.filter_map(|case| {
        let listed = declared.unproven.iter().any(|unproven| unproven.case == case.id);
        let what = match (proven.contains(&case.id), listed) {
            (false, false) => {
                "no weakening lets it compile: declare one, or list it under [[unproven]] with \
                 the reason"
            }
            (true, true) => "it is listed as unproven, and a weakening lets it compile",
            _ => return None,
        };
        Some(Complaint { file: case.id, what: what.to_owned() })
    });
    judged.collect()
}

fn ids(cases: &[Case]) -> String {
    let ids: Vec<_> = cases.iter().map(|case| case.id.as_str()).collect();
    format!("{}: {}", ids.len(), ids.join(", "))
}
