//! One end of ours, as a process of its own that does what it is told on standard input.
//!
//! Orders and words are JSON, one a line.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kvm_machine::{LogKind, Setup};
use machine::{DirtyTracking, NoVm, Ram, Vcpu, VcpuState, VcpuThread};
use migration::bql::BqlUnlocked;
use migration::{
    Direction, Host, MigrationCapabilities, MigrationError, MigrationParameters, MigrationStatus,
    Observer, RunState, Uri, ZeroPageDetection,
};
use serde::{Deserialize, Serialize};

use super::Trouble;
use super::contents::{MEMORY, PAGES, SEED, compare, workload};
use super::fragile::{self, Fault, FragileVcpu, Hook};

/// Pages a second that the machine writes to.
const RATE: u64 = 20_000;

/// How long a machine that runs may take for its next write.
const NEXT_WRITE: Duration = Duration::from_secs(5);

/// What one end is.
#[derive(Debug, clap::Args)]
pub(crate) struct RoleArgs {
    /// The machine has no processors, as QEMU's `-M none`.
    #[arg(long)]
    paused: bool,
    /// The hook that panics.
    #[arg(long)]
    panic: Option<Hook>,
    /// It does its work first.
    #[arg(long)]
    after: bool,
    #[arg(long)]
    channels: Option<u8>,
    /// Send as a QEMU before 8.1 expects it.
    #[arg(long)]
    legacy: bool,
    #[arg(long, default_value = "0")]
    bandwidth: u64,
    /// Mark dirty pages in software, or let KVM do so in a ring.
    #[arg(long)]
    software: bool,
    /// The machine is a guest under KVM.
    #[arg(long)]
    kvm: bool,
}

/// What an end is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Begin(String),
    Cancel,
    Cont,
    Check,
    Quit,
}

/// What an end says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    Ready,
    Began(Result<(), String>),
    Ended(Ended),
    Cont(Result<(), String>),
    Checked(Check),
}

/// How a migration ended, seen from one end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) status: String,
    pub(crate) error: Option<String>,
    /// The source does not know whether the destination has the machine.
    pub(crate) unconfirmed: bool,
    /// When, on the clock that all processes share.
    pub(crate) at: Duration,
}

/// Where the machine is, as one end finds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) has: Has,
    /// What is wrong with memory, or with a machine that should go on and does not.
    pub(crate) damage: Option<String>,
    /// Writes done when it was stopped for the check.
    pub(crate) position: Option<u64>,
    /// Writes done when it arrived.
    pub(crate) arrived: Option<u64>,
}

/// What an end has of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Has {
    /// The machine runs here, or may be started at any time.
    Runs,
    /// It stands here, and `cont` lets it go on.
    Stopped,
    /// It is not here.
    NotHere,
    /// The process is gone.
    Dead,
}

/// Runs an end until it is told to quit.
pub(crate) fn run(direction: Direction, args: &RoleArgs) -> Result<(), Trouble> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if args.panic.is_some() {
        // The panic is the fault, and no news.
        std::panic::set_hook(Box::new(|_| ()));
    }
    let mut thread = BqlUnlocked::attach()?;
    let (host, guest) = Guest::new(&mut thread, direction, args)?;
    let mut bql = thread.lock();
    let object = migration::object_init(&mut bql, host)?;
    let observer = migration::observer(&bql, direction).ok_or("no migration object")?;
    let mut parameters =
        MigrationParameters { max_bandwidth: args.bandwidth, ..MigrationParameters::default() };
    if let Some(channels) = args.channels {
        parameters.multifd_channels = channels;
        let multifd = MigrationCapabilities { multifd: true, ..migration::capabilities(&bql) };
        migration::set_capabilities(&bql, multifd)?;
    }
    if args.legacy {
        parameters.zero_page_detection = ZeroPageDetection::Legacy;
        parameters.multifd_flush_after_each_section = true;
    }
    migration::set_parameters(&bql, parameters)?;
    drop(bql);
    Word::Ready.say()?;

    let mut end = End { direction, observer, guest, thread, went_on: false };
    for line in io::stdin().lock().lines() {
        match serde_json::from_str(&line?)? {
            Order::Begin(uri) => Word::Began(end.begin(&uri)).say()?,
            Order::Cancel => migration::cancel(&mut end.thread.lock(), direction),
            Order::Cont => Word::Cont(end.cont()).say()?,
            Order::Check => Word::Checked(end.check()).say()?,
            Order::Quit => break,
        }
    }
    let End { guest, mut thread, .. } = end;
    let retired = migration::shutdown(object, &mut thread.lock());
    retired.give_back(&mut thread);
    guest.end(&mut thread);
    Ok(())
}

impl Word {
    fn say(&self) -> Result<(), Trouble> {
        let line = format!("{}\n", serde_json::to_string(self)?);
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes())?;
        Ok(out.flush()?)
    }
}

struct End {
    direction: Direction,
    observer: Observer,
    guest: Guest,
    thread: BqlUnlocked,
    went_on: bool,
}

impl End {
    fn begin(&mut self, uri: &str) -> Result<(), String> {
        let uri: Uri = uri.parse().map_err(|error| format!("{error}"))?;
        let mut bql = self.thread.lock();
        let begun = match self.direction {
            Direction::Outgoing => migration::migrate(&mut bql, uri.into()),
            Direction::Incoming => migration::migrate_incoming(&mut bql, uri.into()),
        };
        begun.map_err(|error| migration::error_chain(&error))?;
        let observer = self.observer.clone();
        let tell = move || {
            let Ok(mut thread) = BqlUnlocked::attach() else { return };
            while !observer
                .wait(&mut thread, Duration::from_secs(1), |status, _| status.is_terminal())
                .is_terminal()
            {}
            // Who listens is gone if it cannot be said.
            let _ = Word::Ended(ended(&observer)).say();
        };
        thread::Builder::new().spawn(tell).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn cont(&mut self) -> Result<(), String> {
        let done = migration::cont(&mut self.thread.lock());
        done.map_err(|error| migration::error_chain(&error))?;
        self.went_on = true;
        Ok(())
    }

    fn check(&mut self) -> Check {
        let ended = ended(&self.observer);
        let here = match self.direction {
            Direction::Outgoing => ended.status != MigrationStatus::Completed.name(),
            Direction::Incoming => ended.status == MigrationStatus::Completed.name(),
        };
        match &self.guest {
            Guest::Paused(ram) => Check {
                has: match (here, ended.unconfirmed && !self.went_on) {
                    (true, false) => Has::Runs,
                    (true, true) => Has::Stopped,
                    (false, _) => Has::NotHere,
                },
                damage: if here { compare(ram, 0).err() } else { None },
                position: None,
                arrived: None,
            },
            Guest::Real(vcpu) => {
                let vcpu = vcpu.vcpu();
                let state = vcpu.run_state(&self.thread.lock());
                let mut bql = self.thread.lock();
                vcpu.stop(&mut bql);
                let (mut cpu, arrived) = (vcpu.state(&bql), vcpu.arrived(&bql));
                drop(bql);
                let mut damage = None;
                if state == RunState::Running {
                    let (before, began) = (cpu.position, Instant::now());
                    while cpu.position == before && began.elapsed() < NEXT_WRITE {
                        vcpu.cont(&mut self.thread.lock());
                        thread::sleep(Duration::from_millis(2));
                        let mut bql = self.thread.lock();
                        vcpu.stop(&mut bql);
                        cpu = vcpu.state(&bql);
                    }
                    damage = damage_of(cpu, before, vcpu.verify_memory(cpu).err());
                    vcpu.cont(&mut self.thread.lock());
                }
                found(state, here, damage, cpu, arrived)
            }
            Guest::Kvm(running) => {
                let vcpus = running.vcpus();
                let mut bql = self.thread.lock();
                let state = vcpus.run_state(&bql);
                vcpus.stop(&mut bql);
                let arrived = vcpus.arrived(&bql).first().copied().unwrap_or_default();
                drop(bql);
                let position = |thread: &mut BqlUnlocked| {
                    let bql = thread.lock();
                    let first = vcpus.positions(&bql).map(|all| all.first().copied());
                    let first = first.map_err(|error| migration::error_chain(&error));
                    first.and_then(|first| first.ok_or_else(|| "it has no vCPU".into()))
                };
                let cpu = |at: kvm_machine::Position| VcpuState {
                    position: at.writes,
                    faults: at.faults + u64::from(!at.noticed.is_nothing()),
                    ..VcpuState::default()
                };
                let mut at = match position(&mut self.thread) {
                    Ok(at) => at,
                    Err(error) => {
                        return found(state, here, Some(error), VcpuState::default(), arrived);
                    }
                };
                let mut damage = vcpus.failure(&self.thread.lock());
                if state == RunState::Running {
                    let (before, began) = (at.writes, Instant::now());
                    while at.writes == before && began.elapsed() < NEXT_WRITE {
                        vcpus.cont(&mut self.thread.lock());
                        thread::sleep(Duration::from_millis(2));
                        vcpus.stop(&mut self.thread.lock());
                        at = position(&mut self.thread).unwrap_or(at);
                    }
                    let mut bql = self.thread.lock();
                    let mismatch = vcpus.verify_memory(&bql, &[at]).err();
                    damage = damage.or_else(|| damage_of(cpu(at), before, mismatch));
                    vcpus.cont(&mut bql);
                }
                found(state, here, damage, cpu(at), arrived)
            }
            Guest::Fragile(vcpu, ram) => {
                let state = vcpu.run_state(&self.thread.lock());
                let (mut cpu, arrived) = vcpu.stop();
                let mut damage = None;
                if state == RunState::Running {
                    let (before, began) = (cpu.position, Instant::now());
                    while cpu.position == before && began.elapsed() < NEXT_WRITE {
                        vcpu.go_on();
                        thread::sleep(Duration::from_millis(2));
                        (cpu, _) = vcpu.stop();
                    }
                    damage = damage_of(cpu, before, compare(ram, cpu.position).err());
                    vcpu.go_on();
                }
                found(state, here, damage, cpu, arrived)
            }
        }
    }
}

fn ended(observer: &Observer) -> Ended {
    let error = observer.error();
    Ended {
        status: observer.status().name().to_owned(),
        unconfirmed: error
            .as_deref()
            .is_some_and(|error| matches!(error, MigrationError::NotConfirmed(_))),
        error: error.map(|error| migration::error_chain(&*error)),
        at: machine::monotonic(),
    }
}

fn found(
    state: RunState,
    here: bool,
    damage: Option<String>,
    cpu: VcpuState,
    arrived: u64,
) -> Check {
    let has = match state {
        RunState::Running => Has::Runs,
        _ if here => Has::Stopped,
        _ => Has::NotHere,
    };
    Check { has, damage, position: Some(cpu.position), arrived: Some(arrived) }
}

fn damage_of(
    cpu: VcpuState,
    before: u64,
    mismatch: Option<impl std::fmt::Display>,
) -> Option<String> {
    if let Some(mismatch) = mismatch {
        return Some(mismatch.to_string());
    }
    if cpu.faults != 0 {
        return Some(format!("{} writes found another word than they had to", cpu.faults));
    }
    (cpu.position == before).then(|| format!("it runs, and stays at write {before}"))
}

/// The machine, as its user has it.
enum Guest {
    Real(VcpuThread),
    Kvm(kvm_machine::VcpuThreads),
    Fragile(FragileVcpu, Arc<Ram>),
    Paused(Arc<Ram>),
}

impl Guest {
    fn new(
        thread: &mut BqlUnlocked,
        direction: Direction,
        args: &RoleArgs,
    ) -> Result<(Host, Guest), Trouble> {
        let ram = Arc::new(Ram::anonymous(MEMORY)?);
        let (state, cpu) = match direction {
            Direction::Outgoing => {
                Vcpu::fill_memory(&ram, workload(), || true);
                let cpu = VcpuState {
                    seed: SEED,
                    pages: PAGES as u64,
                    rate: RATE,
                    ..VcpuState::default()
                };
                (RunState::Running, cpu)
            }
            Direction::Incoming => (RunState::InMigrate, VcpuState::default()),
        };
        if args.paused {
            let host = machine::machine_none(NoVm::new(state), Arc::clone(&ram))?;
            return Ok((host, Guest::Paused(ram)));
        }
        if args.kvm {
            let log = if args.software { LogKind::Ring } else { LogKind::Bitmap };
            let setup = Setup { seed: SEED, rate: cpu.rate, log: Some(log), ..Setup::default() };
            let made = kvm_machine::kvm_machine(thread, ram, setup, state)?;
            return Ok((made.host, Guest::Kvm(made.running)));
        }
        let tracking = match args.software {
            true => DirtyTracking::software(&ram),
            false => DirtyTracking::choose(&ram).0,
        };
        if let Some(hook) = args.panic {
            let fault = Fault::new(hook, args.after);
            let (host, vcpu) = fragile::machine(Arc::clone(&ram), tracking, cpu, state, fault)?;
            return Ok((host, Guest::Fragile(vcpu, ram)));
        }
        let (host, vcpu) = machine::running_machine(ram, tracking, cpu, state)?;
        Ok((host, Guest::Real(vcpu)))
    }

    fn end(self, thread: &mut BqlUnlocked) {
        match self {
            Guest::Real(vcpu) => vcpu.join(thread),
            Guest::Kvm(running) => running.join(thread),
            Guest::Fragile(vcpu, _) => vcpu.end(),
            Guest::Paused(_) => {}
        }
    }
}

/// Becomes `command`, which ends with the process that started this one.
pub(crate) fn guarded(command: &[PathBuf]) -> Result<(), Trouble> {
    use std::os::unix::process::CommandExt;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let (program, arguments) = command.split_first().ok_or("no command")?;
    Err(std::process::Command::new(program).args(arguments).exec().into())
}
