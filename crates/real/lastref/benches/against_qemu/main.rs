//! Live migration by lastref beside QEMU's: real QEMU processes and ours, on the same RAM image
//! in the same run, interleaved.
//!
//! ```console
//! $ cargo bench -p lastref --bench against_qemu              # the whole table, into docs/bench
//! $ cargo bench -p lastref --bench against_qemu -- --help    # parts of it, and comparing runs
//! ```
//!
//! A round measures QEMU to QEMU, ours to ours, ours to QEMU, QEMU to ours and the bare socket,
//! one right after the other. Machines are noisy, so only ratios within a round are compared, and
//! only their medians are claimed. What is measured is in `measurement.rs`, what of in `rows.rs`.

mod arguments;
mod chart;
mod comb;
mod cpu;
mod growth;
mod guest;
mod host;
mod image;
mod interrupt;
mod lastref;
mod measurement;
mod memory;
mod qemu;
mod regressions;
mod results;
mod rows;
mod socket;
mod statistics;
mod table;
mod trial;
mod writing;

use std::env;
use std::error::Error;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use interrupt::Interrupt;
use measurement::Tool;
use qemu::Binary;
use results::{Results, Round, RowResult};
use socket::Into;
use trial::Trial;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Where the published figures are.
const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/bench");

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let interrupt = match Interrupt::catch() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            eprintln!("against_qemu: {error}");
            return ExitCode::from(2);
        }
    };
    // What is shared with the tests fails as they do. It has nothing to say to people but this; and
    // nothing when a Ctrl-C has ended the programs of a trial too.
    let asked = interrupt.clone();
    panic::set_hook(Box::new(move |panic| {
        if asked.check().is_ok() {
            eprintln!("against_qemu: {}", panic.payload_as_str().unwrap_or("an unknown failure"));
        }
    }));
    match panic::catch_unwind(|| run(&arguments, &interrupt)) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) => {
            eprintln!("against_qemu: {error}");
            ExitCode::from(2)
        }
        Err(_) => ExitCode::from(2),
    }
}

/// Whether nothing became slower.
fn run(arguments: &Arguments, interrupt: &Interrupt) -> Outcome<bool> {
    // Before all else: to measure takes long, and the file may not be there.
    let saved = arguments.compare.as_deref().map(load).transpose()?;
    let results = match &arguments.render {
        Some(file) => load(file)?,
        None => match measure(arguments, interrupt)? {
            Measured::All(results) => results,
            // What there is by then is for the person who ended it, and for no file.
            Measured::Interrupted(results) => {
                println!("{}", table::markdown(&results));
                return Err("interrupted: the table has what was measured until then".into());
            }
        },
    };
    let table = table::markdown(&results);
    println!("{table}");
    let published = arguments.is_whole().then_some(Path::new(PUBLISHED));
    if let Some(folder) = arguments.out.as_deref().or(published) {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("table.md"), &table)?;
        fs::write(folder.join("chart.svg"), chart::svg(&results))?;
        save(&folder.join("results.json"), &results)?;
    }
    if let Some(file) = &arguments.save {
        save(file, &results)?;
    }
    let Some(saved) = saved else { return Ok(true) };
    let slower = regressions::find(&saved, &results)?;
    print!("{}", table::slower(&slower));
    Ok(slower.is_empty())
}

fn load(file: &Path) -> Outcome<Results> {
    let cannot = |error: &dyn Error| format!("{} cannot be read: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| cannot(&error))?;
    Ok(serde_json::from_str(&text).map_err(|error| cannot(&error))?)
}

fn save(file: &Path, results: &Results) -> Outcome<()> {
    fs::write(file, results.to_json()?).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(())
}

/// What a run has measured.
enum Measured {
    All(Results),
    /// Somebody ended it.
    Interrupted(Results),
}

fn measure(arguments: &Arguments, interrupt: &Interrupt) -> Outcome<Measured> {
    let binary = Binary::find()?;
    let mut results = Results {
        host: host::find(&binary)?,
        command: command(),
        memory: arguments.memory(),
        place: String::new(),
        rows: Vec::new(),
        growth: Vec::new(),
        writing: None,
        left_out: Vec::new(),
    };
    let measuring = AssertUnwindSafe(|| measure_all(arguments, interrupt, &binary, &mut results));
    match panic::catch_unwind(measuring) {
        Ok(Ok(())) => Ok(Measured::All(results)),
        _ if interrupt.check().is_err() => Ok(Measured::Interrupted(results)),
        Ok(Err(error)) => Err(error),
        Err(panic) => panic::resume_unwind(panic),
    }
}

fn measure_all(
    arguments: &Arguments,
    interrupt: &Interrupt,
    binary: &Binary,
    results: &mut Results,
) -> Outcome<()> {
    let rows: &[_] = if arguments.quick { &rows::QUICK } else { &rows::ALL };
    for row in rows.iter().filter(|row| arguments.wants(&row.name())) {
        if row.channels > 1 && !lastref::has_channels()? {
            results.left_out.push(format!("{}: this lastref has no --channels", row.name()));
            continue;
        }
        let trial = Trial::new(binary, *row, results.memory)?;
        results.place = trial.place();
        let name = row.name();
        for number in 1..=arguments.pairs {
            let round = round(number, &trial, interrupt)?;
            eprintln!(
                "{}, round {number} of {}: {}",
                name,
                arguments.pairs,
                table::sentence(&round)
            );
            match results.rows.last_mut().filter(|row| row.name == name) {
                Some(row) => row.rounds.push(round),
                None => {
                    let name = name.clone();
                    results.rows.push(RowResult { name, row: *row, rounds: vec![round] });
                }
            }
        }
    }
    if !arguments.quick && arguments.wants(growth::NAME) {
        results.growth = growth::measure(binary, interrupt, &mut results.left_out)?;
    }
    if !arguments.quick && arguments.wants(writing::NAME) {
        match writing::why_not() {
            Some(reason) => results.left_out.push(reason),
            None => {
                results.writing = Some(writing::measure(binary, arguments.link, interrupt)?);
            }
        }
    }
    Ok(())
}

/// The command that started this run, as a person would write it.
fn command() -> String {
    let mut command = "cargo bench -p lastref --bench against_qemu".to_owned();
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if !arguments.is_empty() {
        command += &format!(" -- {}", arguments.join(" "));
    }
    if env::var_os("LASTREF_QEMU_NEW").is_some_and(|name| !name.is_empty()) {
        command.insert_str(0, "LASTREF_QEMU_NEW=… ");
    }
    command
}

/// The pairs of source and destination, as a [`Round`] has them.
const PAIRS: [(Tool, Tool); 4] = [
    (Tool::Qemu, Tool::Qemu),
    (Tool::Ours, Tool::Ours),
    (Tool::Ours, Tool::Qemu),
    (Tool::Qemu, Tool::Ours),
];

/// Each round begins with another pair: what goes before leaves its traces in the machine.
fn round(number: u32, trial: &Trial, interrupt: &Interrupt) -> Outcome<Round> {
    let mut measured = [const { None }; PAIRS.len()];
    for step in 0..PAIRS.len() {
        interrupt.check()?;
        let pair = (number as usize + step) % PAIRS.len();
        measured[pair] = Some(trial.measure(PAIRS[pair].0, PAIRS[pair].1)?);
    }
    let [Some(qemu_to_qemu), Some(ours_to_ours), Some(ours_to_qemu), Some(qemu_to_ours)] = measured
    else {
        unreachable!("each step measures another pair");
    };
    Ok(Round {
        qemu_to_qemu,
        ours_to_ours,
        ours_to_qemu: ours_to_qemu.rate,
        qemu_to_ours: qemu_to_ours.rate,
        socket: trial.bare_socket(Into::Cache)?,
        socket_to_memory: trial.bare_socket(Into::Memory)?,
    })
}
