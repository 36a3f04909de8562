//! Which program belongs to which documentation test.

use std::path::{Path, PathBuf};

use crate::program::{Program, Runner};
use crate::stand_in::Record;

/// A documentation test as rustdoc names it.
#[derive(Debug, PartialEq)]
pub(crate) struct Name {
    path: PathBuf,
    pub(crate) item: String,
    pub(crate) line: usize,
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
/// differ by a few. A program that it wraps into a function has the line in the function's name. Where
/// macros write documentation, tests of one file can have one line: `is_case` knows a program's text.
pub(crate) fn named_programs<'r>(
    records: &'r [Record],
    package: &Path,
    is_case: impl Fn(&Program) -> bool,
) -> Vec<(Name, &'r Program)> {
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
        let far = |line: usize, program: &Program| match wrapped(&program.text) {
            Some(function) => function.contains(&ending).then_some(0),
            None => Some(1 + line.abs_diff(name.line)),
        };
        let here = programs.iter().enumerate().filter(|(_, (path, ..))| *path == name.path);
        let mut by_distance: Vec<(usize, usize)> =
            here.filter_map(|(at, (_, line, program))| Some((far(*line, program)?, at))).collect();
        by_distance.sort();
        let nearest = || by_distance.iter().take_while(|(far, _)| *far == by_distance[0].0);
        let case = nearest().find(|(_, at)| is_case(programs[*at].2)).or_else(|| nearest().next());
        if let Some((_, at)) = case {
            pairs.push((name, programs.swap_remove(*at).2));
        }
    }
    pairs
}

/// The name of the function that rustdoc made of a program without `main`.
fn wrapped(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("fn _doctest_main_")?;
    rest.split_once('(').map(|(name, _)| name)
}
