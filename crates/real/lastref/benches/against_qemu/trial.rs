//! The place where a row is measured: its image, and both ends of each migration.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use test_support::address::{self, Address};
use test_support::image::assert_same_bytes;
use test_support::program::Program;
use test_support::site::Site;

use super::Outcome;
use super::comb::Comb;
use super::cpu;
use super::image;
use super::lastref::{self, Options};
use super::measurement::{Cost, Measurement, Tool};
use super::memory::PeakMemory;
use super::qemu::{Binary, NO_LIMIT, Qemu, Sent};
use super::rows::{Contents, Row, Transport};
use super::socket;
use super::statistics::Spread;

/// How many starts of our source are measured before a row.
const STARTS: usize = 3;

/// A file system in memory.
const IN_MEMORY: &str = "/dev/shm";

/// How long a destination may take to say why it has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A row's image, and room for a copy.
pub(crate) struct Trial<'a> {
    binary: &'a Binary,
    row: Row,
    bytes: u64,
    site: Site,
    /// CPU of a start of our source, in seconds.
    start: f64,
    /// For a destination's fresh RAM.
    _comb: Option<Comb>,
}

/// An end that waits. What it had used when it began to wait is not the migration's.
enum Destination {
    Qemu { qemu: Qemu, before: f64, memory: PeakMemory },
    Ours { program: Program, before: f64, memory: PeakMemory },
}

impl<'a> Trial<'a> {
    pub(crate) fn new(binary: &'a Binary, row: Row, bytes: u64) -> Outcome<Self> {
        let site = Site::new(bytes);
        image::write(&site.source_ram(), row.contents, bytes)?;
        let mut trial = Trial { binary, row, bytes, site, start: 0.0, _comb: None };
        let starts = (0..STARTS)
            .map(|_| lastref::cpu_of_a_start(trial.options(&trial.site.source_ram())))
            .collect::<Outcome<Vec<f64>>>()?;
        trial.start = Spread::of(starts).map_or(0.0, |starts| starts.median);
        if !row.preallocated && trial.is_in_memory() {
            // A source that reads what was never written gives it memory as well.
            let ends = if row.contents == Contents::Untouched { 2 } else { 1 };
            let spare = bytes / 4;
            trial._comb = Some(Comb::new(Path::new(IN_MEMORY), ends * bytes + spare)?);
        }
        Ok(trial)
    }

    /// Where the RAM files are.
    pub(crate) fn place(&self) -> String {
        self.site.source_ram().ancestors().nth(2).unwrap_or(Path::new("/")).display().to_string()
    }

    /// Whether that is memory, not a disk.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.site.source_ram().starts_with(IN_MEMORY)
    }

    /// The rate of a bare socket of the same kind, in bytes a second.
    pub(crate) fn bare_socket(&self, into: socket::Into) -> Outcome<f64> {
        Ok(socket::rate(self.row.transport, self.row.channels, self.bytes, into)?)
    }

    /// Migrates once, and compares what arrived with what was sent.
    pub(crate) fn measure(&self, source: Tool, destination: Tool) -> Outcome<Measurement> {
        self.clean_up()?;
        let transport = match self.row.transport {
            Transport::Unix => address::Transport::Unix,
            Transport::Tcp => address::Transport::Tcp,
        };
        let address = Address::new(transport, &self.site);
        let mut waiting = self.wait(destination, &address)?;
        let sent = match source {
            Tool::Qemu => self.send_by_qemu(&address.uri(), destination),
            Tool::Ours => self.send_by_ours(&address.uri(), destination),
        };
        let (sent, source) = sent.map_err(|error| {
            let row = self.row.name();
            format!("{row}, {source:?} to {destination:?}: {error}\n{}", waiting.last_words())
        })?;
        let (done, destination) = waiting.finish()?;
        assert_same_bytes(&self.site.source_ram(), &self.site.destination_ram());
        let seconds = match (sent.began, done) {
            (Some(began), Some(done)) => sent.seconds.max(done - began),
            _ => sent.seconds,
        };
        Ok(Measurement {
            seconds,
            rate: self.bytes as f64 / seconds,
            downtime: sent.downtime,
            source,
            destination,
        })
    }

    /// Removes what the migration before has left, and makes an image anew that does not survive
    /// it: a hole of a file in memory is one no longer when it was read through a mapping.
    fn clean_up(&self) -> Outcome<()> {
        for entry in self.site.scratch().read_dir()? {
            fs::remove_file(entry?.path())?;
        }
        for name in self.site.destination_files() {
            fs::remove_file(self.site.destination_ram().with_file_name(name))?;
        }
        if self.row.contents == Contents::Untouched {
            image::write(&self.site.source_ram(), self.row.contents, self.bytes)?;
        }
        Ok(())
    }

    fn wait(&self, tool: Tool, address: &Address) -> Outcome<Destination> {
        let ram = self.site.destination_ram();
        match tool {
            Tool::Qemu => {
                let mut qemu = self.qemu(&ram, true)?;
                qemu.listen(&address.uri())?;
                let (before, memory) = (qemu.cpu()?, PeakMemory::watch(qemu.id()));
                Ok(Destination::Qemu { qemu, before, memory })
            }
            Tool::Ours => {
                let mut program = lastref::receive(self.options(&ram), self.bytes, &address.uri());
                address.wait_for_listener(&mut program);
                let before = cpu::of_process(program.id())?.as_secs_f64();
                let memory = PeakMemory::watch(program.id());
                Ok(Destination::Ours { program, before, memory })
            }
        }
    }

    fn send_by_qemu(&self, uri: &str, destination: Tool) -> Outcome<(Sent, Cost)> {
        let mut qemu = self.qemu(&self.site.source_ram(), false)?;
        qemu.set_bandwidth(NO_LIMIT)?;
        if destination == Tool::Ours {
            qemu.set_capability("return-path")?;
        }
        let (before, memory) = (qemu.cpu()?, PeakMemory::watch(qemu.id()));
        let sent = qemu.migrate(uri)?;
        let cost = Cost { cpu: qemu.cpu()? - before, memory: memory.bytes() };
        qemu.quit()?;
        Ok((sent, cost))
    }

    fn send_by_ours(&self, uri: &str, destination: Tool) -> Outcome<(Sent, Cost)> {
        let wishes = match destination {
            Tool::Qemu if self.row.channels > 1 => self.binary.wishes_of_a_destination(),
            _ => Vec::new(),
        };
        let program = lastref::send(self.options(&self.site.source_ram()), &wishes, uri);
        let memory = PeakMemory::watch(program.id());
        let (sent, cpu) = lastref::finish(program)?;
        // Where there is little to do, a start may cost more at one time than at another.
        Ok((sent, Cost { cpu: (cpu - self.start).max(0.0), memory: memory.bytes() }))
    }

    fn qemu(&self, ram: &Path, incoming: bool) -> Outcome<Qemu> {
        let Trial { binary, row, bytes, site, .. } = self;
        let folder = site.scratch();
        let mut qemu = Qemu::machine_none(binary, ram, *bytes, row.preallocated, incoming, folder)?;
        qemu.set_channels(row.channels)?;
        Ok(qemu)
    }

    fn options<'b>(&'b self, ram: &'b Path) -> Options<'b> {
        let Row { preallocated, channels, .. } = self.row;
        Options { ram, preallocated, channels, folder: self.site.scratch() }
    }
}

impl Destination {
    /// What it says after its source has failed.
    fn last_words(&mut self) -> String {
        let program = match self {
            Destination::Qemu { qemu, .. } => qemu.program(),
            Destination::Ours { program, .. } => program,
        };
        let begin = Instant::now();
        while program.ended().is_none() && begin.elapsed() < LAST_WORDS {
            thread::sleep(LAST_WORDS / 100);
        }
        program.report()
    }

    /// Waits until the RAM is whole and the process has ended. Returns also when it was whole, in
    /// seconds since 1970, where the source does not wait for that.
    fn finish(self) -> Outcome<(Option<f64>, Cost)> {
        match self {
            Destination::Qemu { mut qemu, before, memory } => {
                let done = qemu.wait_for("completed")?;
                let memory = memory.bytes();
                Ok((Some(done), Cost { cpu: qemu.quit()? - before, memory }))
            }
            Destination::Ours { program, before, memory } => {
                let cpu = lastref::finish_receiving(program)?;
                Ok((None, Cost { cpu: cpu - before, memory: memory.bytes() }))
            }
        }
    }
}
