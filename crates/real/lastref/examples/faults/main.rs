//! Faults, counted: where is the machine when an end is killed, a link is cut, a disk is full?
//!
//! `cargo run --release -p lastref --example faults` lets some hundred migrations meet a fault
//! each, chosen by a generator with a seed, and finds out after each who has the machine, whether
//! a write was lost, what was left behind, and how long it took until both ends knew. It exits with
//! 1 if an outcome was one that must not be, and tells that run's story. `--seed N --run K` does
//! one run again.
//!
//! The ends are processes: roles of this program with a machine that writes to its memory, the
//! program `lastref`, and a real QEMU where there is one. Between them is a proxy.

mod contents;
mod ends;
mod fragile;
mod outcome;
mod plan;
mod proxy;
mod qemu;
mod role;
mod run;
mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Parser;
use migration::Direction;

use plan::{Available, EndKind, Kind, Plan, Which};
use role::RoleArgs;
use run::{Clean, Setting};
use table::Table;

/// Why the harness itself, or an end that it drives, did not work.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Memory-backed on Linux.
const SHARED_MEMORY: &str = "/dev/shm";

/// Lets faults come to migrations, and counts where the machine is afterwards.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<RoleCommand>,
    /// Which faults come when.
    #[arg(long)]
    seed: Option<u64>,
    /// How many faults.
    #[arg(long, default_value = "240")]
    count: u64,
    /// Only faults of these kinds.
    #[arg(long, value_enum)]
    only: Vec<Kind>,
    /// Only this run, with its story.
    #[arg(long)]
    run: Option<u64>,
    /// The machines that run are guests under KVM, unless a hook of theirs panics.
    #[arg(long)]
    kvm: bool,
    /// Tell every run.
    #[arg(long)]
    verbose: bool,
}

#[derive(Debug, clap::Subcommand)]
enum RoleCommand {
    /// The source.
    #[command(hide = true)]
    Source(RoleArgs),
    /// The destination.
    #[command(hide = true)]
    Destination(RoleArgs),
    /// A program that ends with this one.
    #[command(hide = true)]
    Guarded {
        #[arg(last = true)]
        command: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.role {
        Some(RoleCommand::Source(args)) => role::run(Direction::Outgoing, args).map(|()| true),
        Some(RoleCommand::Destination(args)) => role::run(Direction::Incoming, args).map(|()| true),
        Some(RoleCommand::Guarded { command }) => role::guarded(command).map(|()| true),
        None => count(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Lets the faults come; `true` if every outcome was one that may be.
fn count(arguments: &Arguments) -> Result<bool, Trouble> {
    let asked_to_stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&asked_to_stop))?;
    }
    let began = Instant::now();
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |now| now.as_nanos() as u64 % 1_000_000)
    });
    println!("seed {seed}");
    let folder = tempfile::Builder::new().prefix("lastref-faults-").tempdir_in(scratch())?;
    let small = SmallDisk::mount(folder.path());
    let (setting, available) = setting(folder.path(), small.as_ref())?;

    let mut clean = HashMap::<(EndKind, EndKind, Option<u8>), Clean>::new();
    let mut table = Table::default();
    let (mut number, mut faults) = (arguments.run.unwrap_or(0), 0);
    let most = arguments.count * 2 + 100;
    while faults < arguments.count && number < most.max(arguments.run.unwrap_or(0) + 1) {
        if asked_to_stop.load(Ordering::Relaxed) {
            println!("stopped by its user");
            break;
        }
        let mut plan = Plan::choose(seed, number, &arguments.only, &available)
            .ok_or("nothing of what these faults need is here")?;
        plan.kvm = arguments.kvm;
        let key = (plan.source, plan.destination, plan.channels);
        if plan.destination != EndKind::File && !clean.contains_key(&key) {
            clean.insert(key, measure(&plan.clean(), &setting)?);
        }
        let known = clean.get(&key).copied();
        match run::run(&plan, &setting, known) {
            Ok((outcome, _)) => {
                if !outcome.violations.is_empty() {
                    println!("\nVIOLATION: --seed {seed} --run {number}{}", only(&arguments.only));
                    for violation in &outcome.violations {
                        println!("  !! {violation}");
                    }
                }
                if !outcome.violations.is_empty() || arguments.verbose || arguments.run.is_some() {
                    println!("run {number}: {:?}, recovered: {}", outcome.place, outcome.recovered);
                    for line in &outcome.story {
                        println!("     {line}");
                    }
                }
                faults += u64::from(outcome.fired);
                table.add(&plan, &outcome);
            }
            Err(error) => {
                println!("\nVIOLATION: --seed {seed} --run {number}{}", only(&arguments.only));
                println!("  !! {error}\n     {plan:?}");
                table.add_trouble(&plan);
            }
        }
        number += 1;
        if arguments.run.is_some() {
            break;
        }
    }
    table.print();
    println!(
        "{faults} faults in {} runs, {} clean runs, {:.0} s, seed {seed}",
        table.runs(),
        clean.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(table.is_clean())
}

fn only(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| format!(" --only {kind}")).collect()
}

/// Runs without a fault, and takes the measure of it.
fn measure(plan: &Plan, setting: &Setting) -> Result<Clean, Trouble> {
    let (outcome, clean) = run::run(plan, setting, None)?;
    if outcome.place != outcome::Place::Destination || !outcome.violations.is_empty() {
        return Err(format!("without a fault: {outcome:#?}").into());
    }
    Ok(clean)
}

/// Where files are kept: in memory, if there is room for a dozen machines.
fn scratch() -> PathBuf {
    let room = rustix::fs::statvfs(SHARED_MEMORY)
        .map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    if room > 12 * contents::MEMORY as u64 { SHARED_MEMORY.into() } else { std::env::temp_dir() }
}

/// Finds what there is, and says what is skipped.
fn setting(folder: &Path, small: Option<&SmallDisk>) -> Result<(Setting, Available), Trouble> {
    let image = folder.join("image");
    contents::make_file(&image)?;
    let lastref = program();
    if lastref.is_none() {
        println!("SKIPPED: the program `lastref`, which is not built; so full-disk and path");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        .map(|folder| folder.join("qemu-system-x86_64"))
        .find(|file| file.is_file());
    let new = std::env::var_os("LASTREF_QEMU_NEW").map(PathBuf::from);
    let find = |what: &str, path: Option<PathBuf>| match path.as_deref().map(qemu::Binary::find) {
        Some(Ok(binary)) => Some(binary),
        Some(Err(error)) => {
            println!("SKIPPED: {what}: {error}");
            None
        }
        None => {
            println!("SKIPPED: {what}, which is not there");
            None
        }
    };
    let on_path = find("qemu-system-x86_64 on PATH", on_path);
    let new = find("the QEMU that LASTREF_QEMU_NEW names", new);
    for qemu in [&on_path, &new].into_iter().flatten() {
        println!("QEMU {}.{}: {}", qemu.version.0, qemu.version.1, qemu.path.display());
    }
    if small.is_none() {
        println!("SKIPPED: a full tmpfs, which cannot be mounted; there is a limit for files");
    }
    let qemus = [(Which::OnPath, &on_path), (Which::New, &new)];
    let available = Available {
        programs: lastref.is_some(),
        qemus: qemus
            .into_iter()
            .filter_map(|(which, there)| there.as_ref().map(|_| which))
            .collect(),
        small_disk: small.is_some(),
    };
    let (small, scratch) = (small.map(|small| small.0.clone()), folder.to_owned());
    Ok((Setting { lastref, on_path, new, image, small, scratch }, available))
}

/// Builds the program `lastref` beside this one, if cargo runs this, and returns where it is.
fn program() -> Option<PathBuf> {
    if let Some(cargo) = std::env::var_os("CARGO") {
        let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
        // Without it, one that was built before is used.
        let _ = Command::new(cargo)
            .args(["build", "--quiet", "-p", "lastref", "--bin", "lastref"])
            .args(profile)
            .stdin(Stdio::null())
            .status();
    }
    let here = std::env::current_exe().ok()?;
    let program = here.parent()?.parent()?.join("lastref");
    program.is_file().then_some(program)
}

/// A tmpfs with less room than a machine has memory. Dropping it takes it away.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Option<SmallDisk> {
        let place = folder.join("small");
        std::fs::create_dir(&place).ok()?;
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "lastref-faults"])
            .arg(&place)
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success()).then_some(SmallDisk(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
