//! `lastref demo`: a machine that keeps writing to its memory moves between two processes.

use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use machine::Ram;
use migration::bql::BqlUnlocked;
use migration::{Direction, MigrationParameters, RunState, Uri};
use rustix::event::{PollFd, PollFlags};
use whole_file::WholeFile;

use crate::cli::DemoArgs;
use crate::destination::{Arrived, Message};
use crate::failure::Failure;
use crate::guest::{Guest, Made, Plan};
use crate::interrupt::Interrupt;
use crate::record::{Record, Recording, Sample};
use crate::report::run::{Run, Setting};
use crate::report::{Lives, ObjectLife, Report};
use crate::session::Session;
use crate::size::{PAGE, Size};
use crate::watch::watch;

/// Time for which a machine that stays is observed to check that it continues.
const RUNS_ON: Duration = Duration::from_millis(200);

/// Interval at which a report samples the counters.
const SAMPLE: Duration = Duration::from_millis(10);

/// Maximum wait for the destination's record of a migration that was cancelled here.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Interval at which a wait for the destination checks for an interrupt.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::catch()?;
    let page = args.report.as_deref().map(|path| PageFile::create(path, args.json)).transpose()?;
    let seed = std::process::id().into();
    let plan = Plan {
        kind: args.machine,
        vcpus: args.vcpus,
        dirty_log: args.dirty_log,
        seed,
        rate: args.dirty_rate / PAGE,
        state: RunState::Prelaunch,
    };
    let plan = plan.settle()?;
    let ram = Arc::new(Ram::anonymous(args.memory).map_err(Failure::set_up("the memory"))?);
    let mut thread = BqlUnlocked::attach()?;
    let Made { host, guest, dirty_log, why_not } = plan.make(&mut thread, Arc::clone(&ram))?;
    let mut destination = Destination::start(args, &plan, interrupt.clone())?;
    let uri = destination.waits()?;

    say!("machine: {}", plan.name());
    match why_not {
        None => say!("dirty log: {dirty_log}"),
        Some(error) => say!("dirty log: {dirty_log} ({error})"),
    }
    say!("filling {} of memory", Size(args.memory as u64));
    guest.fill_memory(&ram, seed, &|| !interrupt.is_asked());
    drop(ram);
    interrupt.check()?;
    guest.cont(&mut thread.lock());

    say!(
        "the machine writes {}/s and moves from process {} to process {}",
        Size(args.dirty_rate),
        std::process::id(),
        destination.child.id()
    );
    let recording = page.as_ref().map(|_| Recording::start());
    let mut session = Session::new(thread, host, Direction::Outgoing, interrupt)?;
    let parameters = MigrationParameters {
        max_bandwidth: args.max_bandwidth,
        downtime_limit: args.downtime_limit,
        ..MigrationParameters::default()
    };
    session.begin(uri.into(), args.channels, parameters)?;
    let mut samples = Vec::new();
    if recording.is_some() {
        session.refresh = SAMPLE;
        watch(&mut session, |info| samples.push(Sample::of(info)));
    } else {
        watch(&mut session, |_| ());
    }
    let observer = session.observer.clone();
    let mut report = Report::new(&observer);
    report.machine = Some(plan.name());
    report.dirty_log = Some(dirty_log);
    let (mut thread, events) = session.end();
    let record = recording.map(|recording| recording.end(&observer, &events));
    let record = record.map(|record| {
        let bql = thread.lock();
        let (stopped_at, started_at) = (guest.stopped_at(&bql), guest.started_at(&bql));
        Record { stopped_at, started_at, ..record }
    });

    let mut lives = Lives { source: ObjectLife::new(&events), destination: None };
    if report.completed() {
        let bql = thread.lock();
        let stopped_at = guest.stopped_at(&bql);
        let sent = guest.position(&bql).map_err(Failure::Guest)?.writes;
        drop(bql);
        match destination.arrived() {
            Ok(arrived) => {
                say!(
                    "the machine continues at the destination: {} writes here, then {} there",
                    total(&sent),
                    total(&arrived.checked).saturating_sub(total(&arrived.arrived))
                );
                // If the machine was stopped before it ever ran, there is no time of a stop.
                if !stopped_at.is_zero() {
                    report.set_downtime(arrived.started_at.saturating_sub(stopped_at));
                }
                let faults = arrived.faults_at(&sent);
                let faults = faults.or_else(|| arrived.misprints(&*guest, &mut thread));
                report.verified = Some(faults.is_none());
                if let Some(faults) = faults {
                    report.add_error(faults);
                }
                lives.destination = arrived.life;
            }
            Err(error) => {
                report.verified = Some(false);
                report.add_error(migration::error_chain(&error));
            }
        }
    } else {
        if report.failed()
            && let Some(said) = destination.last_words()?
        {
            report.add_error(said);
        }
        if record.is_some() {
            destination.listen_for(LAST_WORD);
        }
        runs_on(&*guest, &mut thread);
    }
    report.object = Some(lives);
    guest.join(&mut thread);
    if let (Some(page), Some(source)) = (page, &record) {
        let setting = Setting {
            dirty_rate: args.dirty_rate,
            transport: args.transport.name(),
            channels: args.channels,
        };
        let destination = destination.record.as_ref();
        let run = Run { report: &report, setting, source, destination, samples: &samples };
        match page.write(&run) {
            Ok(said) => say!("{said}"),
            // The exit status is that of the migration, not of the report.
            Err(error) => say!("lastref: {}", migration::error_chain(&error)),
        }
    }
    report.finish(args.json)
}

/// The destination of the report page.
enum PageFile<'a> {
    /// Standard output, for `-`.
    StandardOutput,
    File {
        path: &'a Path,
        file: WholeFile,
    },
}

impl<'a> PageFile<'a> {
    fn create(path: &'a Path, json: bool) -> Result<Self, Failure> {
        if path == "-" {
            if json {
                let both = "--json and --report - both write to standard output";
                return Err(Failure::Usage(both.into()));
            }
            return Ok(PageFile::StandardOutput);
        }
        let file = WholeFile::create(path).map_err(Failure::report_file(path))?;
        Ok(PageFile::File { path, file })
    }

    /// Writes the page, and returns the message about it.
    fn write(self, run: &Run<'_>) -> Result<String, Failure> {
        let page = run.page();
        match self {
            PageFile::StandardOutput => {
                let written = io::stdout().write_all(page.as_bytes());
                written.map_err(Failure::Print)?;
                Ok("the report is on standard output".into())
            }
            PageFile::File { path, file } => {
                let written = file.as_file().write_all(page.as_bytes());
                let written = written.and_then(|()| file.persist());
                written.map_err(Failure::report_file(path))?;
                Ok(format!("the report is {}", path.display()))
            }
        }
    }
}

/// Returns the number of writes of all vCPUs.
fn total(writes: &[u64]) -> u64 {
    writes.iter().fold(0, |sum, writes| sum.saturating_add(*writes))
}

impl Arrived {
    /// Describes what is wrong with the machine that arrived, if anything is. It had done `sent`
    /// writes at the source.
    fn faults_at(&self, sent: &[u64]) -> Option<String> {
        if self.started_at.is_zero() {
            return Some("the machine did not start at the destination".into());
        }
        if let Err(mismatch) = &self.memory {
            return Some(mismatch.clone());
        }
        if self.arrived != sent {
            return Some(format!(
                "the machine stopped after {sent:?} writes and continued after {:?}",
                self.arrived
            ));
        }
        self.wrong.clone()
    }

    /// Describes what is wrong with what the machine has printed, here and there.
    fn misprints(&self, guest: &dyn Guest, thread: &mut BqlUnlocked) -> Option<String> {
        let (mut printed, there) = (guest.printed()?, self.printed.as_ref()?);
        printed.extend_from_slice(there.as_bytes());
        guest.verify_printed(&thread.lock(), &printed, &self.checked).err()
    }
}

/// Checks that a machine whose migration failed continues where it is.
fn runs_on(guest: &dyn Guest, thread: &mut BqlUnlocked) {
    let before = guest.run_state(&thread.lock());
    std::thread::sleep(RUNS_ON);
    let mut bql = thread.lock();
    guest.stop(&mut bql);
    if let Some(failure) = guest.failure(&bql) {
        return say!("the machine is {} at the source: {failure}", before.name());
    }
    let checked = guest.position(&bql).and_then(|position| {
        guest.verify_memory(&bql)?;
        Ok(position)
    });
    match checked {
        Ok(position) => match position.wrong() {
            None => say!(
                "the machine is {} at the source: {} writes done, memory intact",
                before.name(),
                total(&position.writes)
            ),
            Some(wrong) => say!("the machine at the source is damaged: {wrong}"),
        },
        Err(error) => say!("the machine at the source is damaged: {error}"),
    }
}

/// The destination process. Dropping it kills the process.
struct Destination {
    child: Child,
    messages: BufReader<ChildStdout>,
    /// Ends the wait for a destination that is slow or stopped.
    interrupt: Interrupt,
    /// The record of the destination, once it has sent it.
    record: Option<Record>,
}

impl Destination {
    fn start(args: &DemoArgs, plan: &Plan, interrupt: Interrupt) -> Result<Self, Failure> {
        let start = || {
            let mut child = Command::new(std::env::current_exe()?)
                .args(crate::verbose::options())
                .arg(crate::cli::DESTINATION)
                .arg("--memory")
                .arg(args.memory.to_string())
                .args(args.channels.map(|channels| format!("--channels={channels}")))
                .arg("--dirty-log")
                .arg(plan.dirty_log.name())
                .arg("--machine")
                .arg(plan.kind.name())
                .arg("--vcpus")
                .arg(plan.vcpus.to_string())
                .args(args.report.as_ref().map(|_| "--record"))
                .arg(args.transport.name())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                // Ctrl-C is for the source to handle.
                .process_group(0)
                .spawn()?;
            let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(Destination { child, messages: BufReader::new(stdout), interrupt, record: None })
        };
        start().map_err(Failure::set_up("the destination process"))
    }

    /// Waits until there is something to read, or the end.
    fn wait(&self) -> Result<(), Failure> {
        while self.messages.buffer().is_empty() && !self.is_readable_within(LOOK) {
            self.interrupt.check()?;
        }
        Ok(())
    }

    fn is_readable_within(&self, limit: Duration) -> bool {
        let limit = rustix::event::Timespec::try_from(limit).ok();
        let stdout = self.messages.get_ref().as_fd();
        let mut ready = [PollFd::from_borrowed_fd(stdout, PollFlags::IN)];
        matches!(rustix::event::poll(&mut ready, limit.as_ref()), Ok(1..))
    }

    /// Reads the next message, and keeps its record.
    fn next(&mut self) -> io::Result<Option<Message>> {
        let mut message = Message::hear(&mut self.messages)?;
        if let Some(Message::Arrived(Arrived { record, .. }) | Message::Failed { record, .. }) =
            &mut message
        {
            self.record = record.take();
        }
        Ok(message)
    }

    fn hear(&mut self) -> Result<Message, Failure> {
        let what = "ended without a message";
        self.wait()?;
        match self.next() {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(Failure::Destination { what, source: None }),
            Err(source) => Err(Failure::Destination { what, source: Some(source) }),
        }
    }

    fn waits(&mut self) -> Result<Uri, Failure> {
        let what = "cannot be reached";
        match self.hear()? {
            Message::Waits(uri) => match uri.strip_prefix("unix:@") {
                Some(name) => Ok(Uri::unix_abstract(name)),
                None => uri.parse().map_err(|_| Failure::Destination { what, source: None }),
            },
            Message::Failed { error, .. } => {
                Err(Failure::Destination { what, source: Some(io::Error::other(error)) })
            }
            Message::Arrived(_) => Err(Failure::Destination { what, source: None }),
        }
    }

    fn arrived(&mut self) -> Result<Arrived, Failure> {
        let what = "took the machine over and did not report on it";
        match self.hear()? {
            Message::Arrived(arrived) => Ok(arrived),
            Message::Failed { error, .. } => {
                Err(Failure::Destination { what, source: Some(io::Error::other(error)) })
            }
            Message::Waits(_) => Err(Failure::Destination { what, source: None }),
        }
    }

    /// Waits for a message, to get its record.
    fn listen_for(&mut self, limit: Duration) {
        if self.record.is_none() && self.is_readable_within(limit) {
            // The process may have ended without a message.
            let _ = self.next();
        }
    }

    /// Returns why the destination failed, if it reports that or was killed.
    fn last_words(&mut self) -> Result<Option<String>, Failure> {
        self.wait()?;
        if let Ok(Some(Message::Failed { error, .. })) = self.next() {
            return Ok(Some(format!("the destination reports: {error}")));
        }
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    return Ok(Some(format!("the destination process ended with {status}")));
                }
                Ok(None) => std::thread::sleep(LOOK),
                Err(_) => return Ok(None),
            }
            self.interrupt.check()?;
        }
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        // Both fail if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
