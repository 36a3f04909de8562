//! Downtime while the guest writes to its memory at half the rate of the link.
//!
//! Both tools may send as much in a second as `max-bandwidth` says, and both guests dirty half of
//! that. Ours is the machine of `lastref demo`, whose every write is checked; QEMU's is that of
//! `guest.rs`. Downtime is what a guest would see: from when it stops at the source until it runs
//! at the destination, for QEMU by the times of its events STOP and RESUME. What QEMU reports as
//! `downtime` ends when the source is done, and is kept beside it.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use test_support::wait;

use super::guest;
use super::lastref;
use super::qemu::{Binary, Qemu};
use super::results::Writing;
use super::{Interrupt, Outcome};

/// As `--only` knows it.
pub(crate) const NAME: &str = "writing guest";

/// Migrations of ours: enough to see whether one is ever above the limit.
const OURS: usize = 50;

/// Migrations of QEMU's, which take longer, each after as many of ours.
const QEMUS: usize = 7;

/// Both tools' default.
const DOWNTIME_LIMIT: f64 = 300.0;

/// A migration that takes longer does not converge.
const PATIENCE: Duration = Duration::from_secs(30);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How long a guest's rate is measured.
const RATE_OVER: Duration = Duration::from_millis(500);

pub(crate) fn measure(binary: &Binary, link: u64, interrupt: &Interrupt) -> Outcome<Writing> {
    let mut writing = Writing {
        memory: guest::MEMORY,
        link,
        dirty_rate: link / 2,
        downtime_limit: DOWNTIME_LIMIT,
        accelerator: "KVM".into(),
        qemu: Vec::new(),
        qemu_reported: Vec::new(),
        qemu_dirty_rate: Vec::new(),
        qemu_unfinished: 0,
        ours: Vec::new(),
    };
    for run in 0..OURS {
        interrupt.check()?;
        let qemus = writing.qemu.len() + writing.qemu_unfinished;
        if run * QEMUS >= qemus * OURS {
            migrate_qemu(binary, &mut writing)?;
        }
        let folder = TempDir::new()?;
        let Writing { memory, link, dirty_rate, .. } = writing;
        writing.ours.push(lastref::demo(memory, link, dirty_rate, folder.path())?);
    }
    eprintln!("{NAME}: downtimes of QEMU {:.1?} ms, of ours {:?} ms", writing.qemu, writing.ours);
    Ok(writing)
}

fn migrate_qemu(binary: &Binary, writing: &mut Writing) -> Outcome<()> {
    let folder = TempDir::new()?;
    let kernel = folder.path().join("guest");
    fs::write(&kernel, guest::kernel(writing.dirty_rate))?;
    let socket = format!("unix:{}", folder.path().join("migration.sock").display());

    let mut source = start(binary, &kernel, folder.path(), false)?;
    writing.qemu_dirty_rate.push(dirty_rate(&mut source)?);
    let mut destination = start(binary, &kernel, folder.path(), true)?;
    destination.listen(&socket)?;
    source.set_bandwidth(writing.link)?;
    source.execute("migrate", json!({ "uri": socket }))?;
    let begin = Instant::now();
    loop {
        let migration = source.execute("query-migrate", json!({}))?;
        match migration["status"].as_str() {
            Some("completed") => {
                let reported = migration["downtime"].as_f64().ok_or("QEMU reports no downtime")?;
                let downtime = destination.time_of("RESUME")? - source.time_of("STOP")?;
                writing.qemu.push(downtime * 1e3);
                writing.qemu_reported.push(reported);
                return Ok(());
            }
            Some("failed" | "cancelled") => {
                return Err(
                    format!("a migration that completes expected, found {migration}").into()
                );
            }
            _ if begin.elapsed() > PATIENCE => {
                writing.qemu_unfinished += 1;
                return Ok(());
            }
            _ => thread::sleep(BETWEEN_LOOKS),
        }
    }
}

/// Why this part is left out, if it has to be. Under TCG QEMU 7.2 loses writes of the guest after the
/// third look at the dirty log, and what is lost need not be sent.
pub(crate) fn why_not() -> Option<String> {
    let opened = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    opened.err().map(|error| format!("{NAME}: it needs KVM, and /dev/kvm: {error}"))
}

/// QEMU with the guest.
fn start(binary: &Binary, kernel: &Path, folder: &Path, incoming: bool) -> Outcome<Qemu> {
    let memory = format!("{}M", guest::MEMORY >> 20);
    let mut arguments: Vec<&str> = vec!["-machine", "pc", "-accel", "kvm", "-m", &memory];
    let kernel = kernel.display().to_string();
    arguments.extend(["-kernel", &kernel]);
    // A tick that came late is not made up for: ours catches up little as well.
    arguments.extend(["-global", "kvm-pit.lost_tick_policy=discard"]);
    if incoming {
        arguments.extend(["-incoming", "defer"]);
    }
    let role = if incoming { "qemu-destination" } else { "qemu-source" };
    Qemu::start(binary, role, arguments, folder)
}

/// Waits until the guest writes, then returns how many bytes it dirties in a second.
fn dirty_rate(source: &mut Qemu) -> Outcome<f64> {
    let begin = Instant::now();
    while written(source)? == 0 {
        if begin.elapsed() > wait::DEADLINE {
            return Err("the guest does not write".into());
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    let (before, begin) = (written(source)?, Instant::now());
    thread::sleep(RATE_OVER);
    let pages = written(source)?.wrapping_sub(before);
    Ok(f64::from(pages) * 4096.0 / begin.elapsed().as_secs_f64())
}

/// The guest's count, by QEMU's monitor for people: its protocol for programs has no such command.
fn written(source: &mut Qemu) -> Outcome<u32> {
    let command = format!("xp /1wx {:#x}", guest::WRITTEN);
    let reply = source.execute("human-monitor-command", json!({ "command-line": command }))?;
    let text = reply.as_str().unwrap_or_default().trim();
    let word = text.rsplit_once("0x").map(|(_, word)| u32::from_str_radix(word, 16));
    match word {
        Some(Ok(word)) => Ok(word),
        _ => Err(format!("a word of memory expected, found {text:?}").into()),
    }
}
