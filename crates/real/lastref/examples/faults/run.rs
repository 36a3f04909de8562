//! One run: two ends, a link between them, a fault.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Trouble;
use super::ends::{End, Program, Role, Target, lock};
use super::fragile::Hook;
use super::outcome::{Ends, Outcome, Place};
use super::plan::{Disk, EndKind, Kind, Moment, PathFault, Plan, Which};
use super::proxy::{self, Address, Link, Proxy};
use super::qemu::{Binary, Qemu};
use super::role::{Ended, Has};

/// How long a run may take. Nothing relies on it but the end of a run that hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// When the link of a source that was cancelled is closed at the latest.
const GIVEN_UP: Duration = Duration::from_secs(3);

/// Bytes a second that a role sends, so that a run takes a while.
const BANDWIDTH: u64 = 128 << 20;

/// What every run needs.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) lastref: Option<PathBuf>,
    pub(crate) on_path: Option<Binary>,
    pub(crate) new: Option<Binary>,
    /// The memory of a machine that does not run. Nobody writes to it.
    pub(crate) image: PathBuf,
    /// A file system with too little room.
    pub(crate) small: Option<PathBuf>,
    /// Where runs keep their files.
    pub(crate) scratch: PathBuf,
}

impl Setting {
    fn qemu(&self, which: Which) -> Result<&Binary, Trouble> {
        let qemu = match which {
            Which::OnPath => &self.on_path,
            Which::New => &self.new,
        };
        Ok(qemu.as_ref().ok_or("no such QEMU")?)
    }

    fn lastref(&self) -> Result<&Path, Trouble> {
        Ok(self.lastref.as_deref().ok_or("no program `lastref`")?)
    }
}

/// What a run without a fault takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clean {
    pub(crate) time: Duration,
    pub(crate) forth: u64,
    pub(crate) back: u64,
}

/// The folders of one run.
struct Site {
    /// What belongs to the harness and to QEMU.
    own: PathBuf,
    /// The sockets.
    link: PathBuf,
    /// Where `receive` and `send file:` put their file, and nothing else.
    made: PathBuf,
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Site {
    fn new(setting: &Setting, disk: Option<Disk>) -> Result<Site, Trouble> {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&setting.scratch)?;
        let path = folder.path().to_owned();
        let (own, link) = (path.join("own"), path.join("link"));
        let made = match (disk, &setting.small) {
            (Some(Disk::Small), Some(small)) => small.join("made"),
            _ => path.join("made"),
        };
        for folder in [&own, &link, &made] {
            fs::create_dir(folder)?;
        }
        Ok(Site { own, link, made, _folder: folder, path })
    }

    fn address(&self, tcp: bool, name: &str) -> Result<Address, Trouble> {
        if !tcp {
            return Ok(Address::Unix(self.link.join(name)));
        }
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
        Ok(Address::Tcp(listener.local_addr()?.port()))
    }

    /// Returns what is in a folder.
    fn list(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().display().to_string()).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // On the small file system it is in nobody's folder.
        let _ = fs::remove_dir_all(&self.made);
    }
}

/// The fault of a run, which any thread can let come.
#[derive(Clone)]
struct Fault {
    plan: Plan,
    source: Target,
    destination: Target,
    link: Option<Link>,
    file: PathBuf,
    /// When it came, and whether it did.
    came: Arc<Mutex<Option<(Duration, bool)>>>,
    /// The source has ended.
    is_over: Arc<AtomicBool>,
    /// SIGCONT, or the cancel of a silent link, is still to come.
    pending: Arc<Mutex<Vec<thread::JoinHandle<()>>>>,
}

impl Fault {
    /// Lets it come now, in this thread.
    fn come(&self) {
        let at = machine::monotonic();
        let Some(kind) = self.plan.kind else { return };
        let done = match kind {
            Kind::KillSource => self.source.signal(Signal::KILL),
            Kind::KillDestination => self.destination.signal(Signal::KILL),
            Kind::StopSource => self.stand(&self.source),
            Kind::StopDestination => self.stand(&self.destination),
            Kind::Cut | Kind::Reset => {
                self.link.as_ref().inspect(|link| link.cut(kind == Kind::Reset)).is_some()
            }
            Kind::Silent => {
                let held = self.link.as_ref().inspect(|link| link.hold()).is_some();
                let (source, link) = (self.source.clone(), self.link.clone());
                let is_over = Arc::clone(&self.is_over);
                self.later(self.plan.hold, move || {
                    source.cancel();
                    // A destination of QEMU may answer nothing while it waits for more.
                    let began = Instant::now();
                    while !is_over.load(Ordering::Relaxed) && began.elapsed() < GIVEN_UP {
                        thread::sleep(Duration::from_millis(1));
                    }
                    if let Some(link) = link {
                        link.cut(false);
                    }
                });
                held
            }
            // A hook that is to let the machine go on here has to be called.
            Kind::CancelSource | Kind::Panic => self.source.cancel(),
            Kind::CancelDestination => self.destination.cancel(),
            Kind::Path => {
                let folder = self.file.parent().unwrap_or(Path::new("/"));
                match self.plan.path {
                    PathFault::Taken => fs::create_dir(&self.file).is_ok(),
                    PathFault::Removed => fs::remove_dir(folder).is_ok(),
                }
            }
            Kind::FullDisk => true,
        };
        lock(&self.came).get_or_insert((at, done));
    }

    fn stand(&self, target: &Target) -> bool {
        let stands = target.signal(Signal::STOP);
        let target = target.clone();
        self.later(self.plan.hold, move || _ = target.signal(Signal::CONT));
        stands
    }

    fn later(&self, after: Duration, what: impl FnOnce() + Send + 'static) {
        let what = move || {
            thread::sleep(after);
            what();
        };
        if let Ok(thread) = thread::Builder::new().spawn(what) {
            lock(&self.pending).push(thread);
        }
    }

    /// Lets it come after the plan's delay.
    fn come_after_delay(&self) {
        self.come_in(self.plan.delay);
    }

    fn come_in(&self, delay: Duration) {
        if delay.is_zero() {
            self.come();
        } else {
            let fault = self.clone();
            self.later(delay, move || fault.come());
        }
    }

    fn wait_for_threads(&self) {
        loop {
            let threads = std::mem::take(&mut *lock(&self.pending));
            if threads.is_empty() {
                return;
            }
            for thread in threads {
                let _ = thread.join();
            }
        }
    }

    fn came(&self) -> Option<Duration> {
        lock(&self.came).filter(|(_, done)| *done).map(|(at, _)| at)
    }
}

/// Carries out a run, and says how it ended; of a clean one also what it takes.
pub(crate) fn run(
    plan: &Plan,
    setting: &Setting,
    clean: Option<Clean>,
) -> Result<(Outcome, Clean), Trouble> {
    if plan.destination == EndKind::File {
        return to_file(plan, setting);
    }
    let disk = (plan.kind == Some(Kind::FullDisk)).then_some(plan.disk);
    let site = Site::new(setting, disk)?;
    let file = site.made.join("ram");
    let mut destination = destination(plan, setting, &site, &file, disk)?;
    let to = site.address(plan.tcp, "destination.sock")?;
    let began = Instant::now();
    destination.begin(&to.uri())?;
    while !to.is_listened_at() && destination.poll()?.is_none() {
        if began.elapsed() > DEADLINE {
            return Err("the destination does not listen".into());
        }
        thread::sleep(Duration::from_micros(500));
    }
    let at = site.address(plan.tcp, "link.sock")?;
    let proxy = Proxy::new(&at, to.clone())?;
    let mut source = source(plan, setting, &site)?;
    let fault = Fault {
        plan: *plan,
        source: source.target(),
        destination: destination.target(),
        link: Some(proxy.link()),
        file: file.clone(),
        came: Arc::default(),
        is_over: Arc::default(),
        pending: Arc::default(),
    };
    let began = Instant::now();
    if let Some(clean) = clean {
        let forth = |bytes: u64| proxy::Place::Forth(clean.forth.saturating_sub(bytes));
        let place = match plan.moment {
            Moment::Before => {
                fault.come();
                None
            }
            Moment::Part(part) => {
                fault.come_in(clean.time.mul_f64(part) + plan.delay);
                None
            }
            Moment::Forth(part) => Some(proxy::Place::Forth((clean.forth as f64 * part) as u64)),
            Moment::ForthEnd(bytes) => Some(forth(bytes)),
            Moment::BackEnd(bytes) => Some(proxy::Place::Back(clean.back.saturating_sub(bytes))),
            Moment::AfterPing(bytes) => Some(proxy::Place::AfterPing(bytes)),
            Moment::AfterPong(bytes) => Some(proxy::Place::AfterPong(bytes)),
            Moment::Later(_) => None,
            Moment::Always => {
                *lock(&fault.came) = Some((machine::monotonic(), true));
                None
            }
        };
        if let Some(place) = place {
            let fault = fault.clone();
            proxy.set_trigger(place, Box::new(move || fault.come_after_delay()));
        }
    }
    source.begin(&at.uri())?;

    let mut outcome = Outcome::new(vec![format!("{plan:?}")]);
    let (mut source_ended, mut destination_ended) = (None::<Ended>, None::<Ended>);
    let (mut never_met, mut alone_since) = (false, None);
    while source_ended.is_none() || destination_ended.is_none() {
        source_ended = source.poll()?;
        destination_ended = destination.poll()?;
        if source_ended.is_none() && destination_ended.is_some() && plan.source.is_qemu() {
            let alone_since = *alone_since.get_or_insert_with(Instant::now);
            if alone_since.elapsed() > GIVEN_UP {
                outcome.qemu_hangs = true;
                outcome.story.push("the QEMU at the source does not end its migration".into());
                break;
            }
        }
        if source_ended.is_some() && destination_ended.is_none() {
            fault.is_over.store(true, Ordering::Relaxed);
            let alone_since = *alone_since.get_or_insert_with(Instant::now);
            // It waits for somebody who does not come, as long as its user likes: one of ours until the
            // main connection has said what it is, whatever the channels beside it said. A QEMU does so too if not all of its channels have come.
            let is_alone = match plan.destination.is_qemu() {
                true => !proxy.was_used() || alone_since.elapsed() > GIVEN_UP,
                false => !proxy.has_begun(),
            };
            if is_alone && !never_met {
                never_met = true;
                if plan.destination.is_qemu() {
                    outcome.qemu_hangs |= proxy.was_used();
                    destination.quit();
                } else {
                    destination.target().cancel();
                }
            }
        }
        if began.elapsed() > DEADLINE {
            outcome.violations.push(format!(
                "after {DEADLINE:?} the source has ended with {source_ended:?}, the destination \
                 with {destination_ended:?}"
            ));
            break;
        }
        thread::sleep(Duration::from_micros(500));
    }
    fault.is_over.store(true, Ordering::Relaxed);
    let time = began.elapsed();
    if let Moment::Later(after) = plan.moment
        && clean.is_some()
    {
        thread::sleep(after);
        fault.come();
    }
    fault.wait_for_threads();
    let came = fault.came();
    outcome.fired = came.is_some();
    if came.is_some() {
        // A process that was killed answers no more.
        match plan.kind {
            Some(Kind::KillSource) => source.target().wait_for_end(),
            Some(Kind::KillDestination) => destination.target().wait_for_end(),
            _ => {}
        }
    }
    let since = |at: Duration| came.map_or(0.0, |came| at.as_secs_f64() - came.as_secs_f64()) * 1e3;
    outcome.story.push(format!("the fault came: {}, never met: {never_met}", came.is_some()));
    for (name, ended) in [("source", &source_ended), ("destination", &destination_ended)] {
        if let Some(ended) = ended {
            let at = since(ended.at);
            outcome.story.push(format!(
                "{name}: {} after {at:.1} ms{}{}",
                ended.status,
                if ended.unconfirmed { ", unconfirmed" } else { "" },
                ended.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default()
            ));
        }
    }
    let knows = [
        source_ended.as_ref().filter(|_| plan.kind != Some(Kind::KillSource)),
        destination_ended
            .as_ref()
            .filter(|_| plan.kind != Some(Kind::KillDestination) && !never_met),
    ];
    outcome.known = came.and_then(|came| {
        let last = knows.into_iter().flatten().map(|ended| ended.at).max()?;
        last.checked_sub(came)
    });

    let (forth, back) = proxy.bytes();
    let ends = Ends {
        source: &mut *source,
        destination: &mut *destination,
        source_ended: source_ended.as_ref(),
    };
    outcome.judge(plan, ends)?;
    if outcome.qemu_hangs {
        // Its user's patience is no measure of anything.
        outcome.known = None;
    }
    // `receive` that says it failed, and left its file, has told its user nothing true.
    let file_is_there = file.is_file();
    let completed = destination_ended.as_ref().is_some_and(|ended| ended.status == "completed");
    let killed = plan.kind == Some(Kind::KillDestination);
    source.quit();
    destination.quit();
    drop((source, destination));
    drop(proxy);
    if file_is_there && (completed || killed) {
        fs::remove_file(&file)?;
    } else if plan.kind == Some(Kind::Path) {
        // The folder that took the name is the fault's own.
        let _ = fs::remove_dir(&file);
    }
    outcome.left.extend(Site::list(&site.made));
    let may_stay = killed || plan.destination.is_qemu();
    outcome.left.extend(Site::list(&site.link).into_iter().filter(|_| !may_stay));
    outcome.left.extend(processes(&site.path));
    if !outcome.violations.is_empty() || outcome.lost.is_some() || !outcome.left.is_empty() {
        outcome.story.extend(logs(&site.own));
    }
    outcome.conclude();
    Ok((outcome, Clean { time, forth, back }))
}

/// `send file:`, where there is no place for the file.
fn to_file(plan: &Plan, setting: &Setting) -> Result<(Outcome, Clean), Trouble> {
    let site = Site::new(setting, Some(plan.disk))?;
    let file = match plan.disk {
        Disk::DevFull => PathBuf::from("/dev/full"),
        _ => site.made.join("stream"),
    };
    let mut command = limited(plan.disk, setting.lastref()?);
    command.extend(["send", "--ram"].map(PathBuf::from));
    command.push(setting.image.clone());
    let mut source = Program::new("send", command, setting.image.clone(), &site.own);
    let mut outcome = Outcome::new(vec![format!("{plan:?}")]);
    let (came, began) = (machine::monotonic(), Instant::now());
    source.begin(&format!("file:{}", file.display()))?;
    let ended = loop {
        if let Some(ended) = source.poll()? {
            break ended;
        }
        if began.elapsed() > DEADLINE {
            return Err("`send` does not end".into());
        }
        thread::sleep(Duration::from_micros(500));
    };
    outcome.fired = true;
    outcome.known = ended.at.checked_sub(came);
    outcome.story.push(format!("{ended:?}"));
    let check = source.check()?;
    outcome.story.push(format!("source has {check:?}"));
    outcome.lost = check.damage;
    match check.has {
        Has::Runs => outcome.place = Place::Source,
        other => outcome.violations.push(format!("the source has {other:?} after {ended:?}")),
    }
    source.quit();
    drop(source);
    outcome.left.extend(Site::list(&site.made));
    outcome.left.extend(processes(&site.path));
    outcome.conclude();
    Ok((outcome, Clean { time: began.elapsed(), forth: 0, back: 0 }))
}

/// Begins a command under which no file grows beyond a limit.
fn limited(disk: Disk, program: &Path) -> Vec<PathBuf> {
    let mut command = Vec::new();
    if let Disk::Limit(bytes) = disk {
        // Ignored, the signal is an error of the write, as on a disk that is full.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 512);
        command.extend(["/bin/sh", "-c", &script].map(PathBuf::from));
    }
    command.push(program.to_owned());
    command
}

fn source(plan: &Plan, setting: &Setting, site: &Site) -> Result<Box<dyn End>, Trouble> {
    let mut arguments = Vec::new();
    if let Some(channels) = plan.channels {
        arguments.push(format!("--channels={channels}"));
    }
    let is_old = match plan.destination {
        EndKind::Qemu(which) => setting.qemu(which)?.is_old(),
        _ => false,
    };
    Ok(match plan.source {
        EndKind::Running | EndKind::Paused => {
            arguments.push(format!("--bandwidth={BANDWIDTH}"));
            if is_old && plan.channels.is_some() {
                arguments.push("--legacy".into());
            }
            role("source", plan.source, plan, arguments, &Hook::OF_SOURCE, site)?
        }
        EndKind::Program => {
            let mut command = vec![setting.lastref()?.to_owned(), "send".into(), "--ram".into()];
            command.push(setting.image.clone());
            command.extend(arguments.into_iter().map(PathBuf::from));
            if is_old && plan.channels.is_some() {
                command.push("--multifd-flush-after-each-section".into());
                command.push("--zero-page-detection=legacy".into());
            }
            Box::new(Program::new("send", command, setting.image.clone(), &site.own))
        }
        EndKind::Qemu(which) => {
            let (binary, image) = (setting.qemu(which)?, &setting.image);
            let (channels, back) = (plan.channels, plan.return_path);
            Box::new(Qemu::start(binary, true, channels, back, image, &site.own)?)
        }
        EndKind::File => return Err("a file is no source".into()),
    })
}

fn destination(
    plan: &Plan,
    setting: &Setting,
    site: &Site,
    file: &Path,
    disk: Option<Disk>,
) -> Result<Box<dyn End>, Trouble> {
    let channels = plan.channels.map(|channels| format!("--channels={channels}"));
    Ok(match plan.destination {
        EndKind::Running | EndKind::Paused => {
            let arguments = channels.into_iter().collect();
            role("destination", plan.destination, plan, arguments, &Hook::OF_DESTINATION, site)?
        }
        EndKind::Program => {
            let mut command = match disk {
                Some(disk) => limited(disk, setting.lastref()?),
                None => vec![setting.lastref()?.to_owned()],
            };
            command.extend(["receive", "--ram"].map(PathBuf::from));
            command.push(file.to_owned());
            command.push(format!("--memory={}", super::contents::MEMORY).into());
            command.extend(channels.map(PathBuf::from));
            Box::new(Program::new("receive", command, file.to_owned(), &site.own))
        }
        EndKind::Qemu(which) => {
            let (binary, ram) = (setting.qemu(which)?, site.own.join("ram"));
            let qemu = Qemu::start(binary, false, plan.channels, true, &ram, &site.own)?;
            // `send` has a machine that does not run.
            Box::new(if plan.source == EndKind::Program { qemu.paused() } else { qemu })
        }
        EndKind::File => return Err("a file is no end".into()),
    })
}

fn role(
    name: &'static str,
    kind: EndKind,
    plan: &Plan,
    mut arguments: Vec<String>,
    hooks: &[Hook],
    site: &Site,
) -> Result<Box<dyn End>, Trouble> {
    if kind == EndKind::Paused {
        arguments.push("--paused".into());
    }
    if plan.software {
        arguments.push("--software".into());
    }
    if plan.kvm && plan.hook.is_none() && kind == EndKind::Running {
        arguments.push("--kvm".into());
    }
    if let Some(hook) = plan.hook.filter(|hook| hooks.contains(hook)) {
        arguments.push(format!("--panic={}", hook.name()));
        if plan.after {
            arguments.push("--after".into());
        }
    }
    Ok(Box::new(Role::start(name, &arguments, &site.own)?))
}

/// Returns the processes that name this folder on their command line.
fn processes(site: &Path) -> Vec<String> {
    let site = site.display().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(&site).then(|| format!("process {}: {line}", entry.path().display()))
        })
        .collect()
}

/// Returns what the ends wrote for people.
fn logs(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "stderr"))
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            let name = entry.file_name();
            (!text.is_empty()).then(|| format!("{}: {}", name.display(), text.trim_end()))
        })
        .collect()
}
