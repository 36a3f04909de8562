//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use migration::{MigrationParameters, Uri, Uuid, ZeroPageDetection};

use crate::size::{memory, page_offset, rate};

/// Name of the hidden command. Its form is unique, so that clap suggests it for no mistyped
/// command.
pub(crate) const DESTINATION: &str = "internal:destination";

/// Live migration with one global left.
///
/// Without a command a running machine moves between two processes, and every page and
/// every write is checked.
///
/// SIZE and RATE are bytes and bytes a second; K, M, G and T are powers of 1024. A SIZE is a
/// multiple of 4096.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 90)]
pub(crate) struct Cli {
    /// Show each change of status and each phase on standard error; twice: each pass over memory.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Move a machine that keeps writing to its memory from one process to another, and
    /// check every page and every write.
    Demo(DemoArgs),
    /// Send a paused machine whose RAM is FILE, as QEMU's `-M none` has it.
    Send(SendArgs),
    /// Receive a paused machine, as QEMU's `-M none` sends it, and leave its RAM in FILE.
    Receive(ReceiveArgs),
    /// Show what a migration stream or a file of one has: records, RAM, and the fields of each
    /// device.
    Inspect(InspectArgs),
    /// Show the pages and the fields of devices in which two streams differ.
    Diff(DiffArgs),
    /// Write a RAM block, a range of it, or a device section of a stream to a file.
    Extract(ExtractArgs),
    /// The other process of `demo`.
    #[command(hide = true, name = DESTINATION)]
    DemoDestination(DemoDestinationArgs),
}

impl Command {
    /// Returns whether to print the result as JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Command::Demo(args) => args.json,
            Command::Send(args) => args.json,
            Command::Receive(args) => args.json,
            // A stream has no status of a migration.
            Command::Inspect(_)
            | Command::Diff(_)
            | Command::Extract(_)
            | Command::DemoDestination(_) => false,
        }
    }

    /// Returns the default command: `demo` with its defaults.
    pub(crate) fn demo() -> Self {
        match Cli::parse_from(["lastref", "demo"]).command {
            Some(command) => command,
            None => unreachable!("the command line names one"),
        }
    }
}

/// The connection between the two processes of `demo`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Transport {
    Unix,
    Tcp,
}

/// The dirty log of the machine of `demo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DirtyLog {
    // The option describes the values; a text for each would spread the help over two pages.
    Auto,
    WriteProtect,
    Software,
    KvmBitmap,
    KvmRing,
}

/// The machine of `demo`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MachineKind {
    Thread,
    Kvm,
}

impl MachineKind {
    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            MachineKind::Thread => "thread",
            MachineKind::Kvm => "kvm",
        }
    }
}

impl Transport {
    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Unix => "unix",
            Transport::Tcp => "tcp",
        }
    }
}

impl DirtyLog {
    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DirtyLog::Auto => "auto",
            DirtyLog::WriteProtect => "write-protect",
            DirtyLog::Software => "software",
            DirtyLog::KvmBitmap => "kvm-bitmap",
            DirtyLog::KvmRing => "kvm-ring",
        }
    }

    /// Returns why a machine of this kind cannot have the log.
    pub(crate) fn not_for(self, kind: MachineKind) -> Option<String> {
        match (self, kind) {
            (DirtyLog::KvmBitmap | DirtyLog::KvmRing, MachineKind::Thread) => {
                Some(format!("--dirty-log {} is KVM's, and needs --machine kvm", self.name()))
            }
            // KVM's guest would have to mark its own pages.
            (DirtyLog::Software, MachineKind::Kvm) => {
                Some("--machine kvm has no software log: guest code does not mark pages".into())
            }
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// RAM of the machine.
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = memory)]
    pub(crate) memory: usize,
    /// Bytes of memory that the machine dirties per second, in pages of 4096.
    #[arg(long, value_name = "RATE", default_value = "64M", value_parser = rate)]
    pub(crate) dirty_rate: u64,
    /// Maximum downtime, in milliseconds (at most 2000000).
    #[arg(long, value_name = "MS", default_value = "300", value_parser = downtime_limit)]
    pub(crate) downtime_limit: Duration,
    /// Maximum bytes to send per second while the machine runs [default: no limit].
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = rate, hide_default_value = true)]
    pub(crate) max_bandwidth: u64,
    /// The kind of socket between the two processes.
    #[arg(long, value_enum, default_value = "unix")]
    pub(crate) transport: Transport,
    /// Send pages over this many additional channels, like QEMU's multifd.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) channels: Option<u8>,
    /// How to track writes: by the kernel's write protection, in software, by KVM, or the first that
    /// works.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) dirty_log: DirtyLog,
    /// Who runs the machine: a thread that writes, or KVM, with guest code of this program. Without
    /// /dev/kvm it is a thread.
    #[arg(long, value_enum, default_value = "thread")]
    pub(crate) machine: MachineKind,
    /// With --machine kvm, the number of vCPUs.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) vcpus: u8,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the migration on a self-contained page. The file appears complete or not at all; - is
    /// standard output.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The RAM of the machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) ram: PathBuf,
    /// unix:PATH, tcp:HOST:PORT, fd:N, exec:COMMAND or file:PATH[,offset=N]. The migration fails if
    /// a TCP peer is silent, or reads nothing, for a minute.
    #[arg(value_name = "URI")]
    pub(crate) uri: Uri,
    /// Touch all RAM first.
    #[arg(long)]
    pub(crate) prealloc: bool,
    /// Send pages over this many additional channels, like QEMU's multifd.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) channels: Option<u8>,
    /// UUID of the machine, which each channel sends. A QEMU with -uuid accepts only its own.
    #[arg(long, value_name = "UUID")]
    pub(crate) uuid: Option<Uuid>,
    /// With --channels, which threads detect zero pages: those of the channels, or the main thread
    /// for a destination before QEMU 9.0.
    #[arg(long, value_enum, default_value = "multifd", requires = "channels")]
    pub(crate) zero_page_detection: ZeroPages,
    /// With --channels, end a round of pages as a destination before QEMU 8.1 expects it.
    #[arg(long, requires = "channels")]
    pub(crate) multifd_flush_after_each_section: bool,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

/// QEMU's parameter `zero-page-detection`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ZeroPages {
    Legacy,
    Multifd,
}

impl From<ZeroPages> for ZeroPageDetection {
    fn from(who: ZeroPages) -> Self {
        match who {
            ZeroPages::Legacy => ZeroPageDetection::Legacy,
            ZeroPages::Multifd => ZeroPageDetection::Multifd,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReceiveArgs {
    /// File for the RAM of the machine. It appears complete or not at all.
    #[arg(long, value_name = "FILE")]
    pub(crate) ram: PathBuf,
    /// RAM of the machine, the same as at the source.
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: usize,
    /// unix:PATH, tcp:HOST:PORT, fd:N, exec:COMMAND or file:PATH[,offset=N]. Without HOST it
    /// listens on every address. The migration fails if a TCP peer is silent for a minute.
    #[arg(value_name = "URI")]
    pub(crate) uri: Uri,
    /// Touch all RAM first.
    #[arg(long)]
    pub(crate) prealloc: bool,
    /// Receive pages over this many additional channels, as many as the source has: QEMU's multifd.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) channels: Option<u8>,
    /// Accept only a machine with this UUID, if its source sends one: QEMU does with -uuid and
    /// multifd.
    #[arg(long, value_name = "UUID")]
    pub(crate) uuid: Option<Uuid>,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A stream, a mapped-ram file or a libvirt save image; - is standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A stream, as `inspect` reads it; one of the two may be -, standard input.
    #[arg(value_name = "FILE")]
    pub(crate) a: PathBuf,
    /// Another stream. Exit status: 0 if both have the same, 1 if not or if one is damaged.
    #[arg(value_name = "FILE")]
    pub(crate) b: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// A stream, as `inspect` reads it; - is standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A RAM block or, if none has this name, a device section.
    #[arg(value_name = "BLOCK|SECTION")]
    pub(crate) name: String,
    /// The file to write. It appears complete or not at all.
    #[arg(value_name = "OUTPUT")]
    pub(crate) output: PathBuf,
    /// First byte of the range of the RAM block, a multiple of 4096.
    #[arg(long, value_name = "SIZE", value_parser = page_offset)]
    pub(crate) offset: Option<u64>,
    /// Length of the range [default: to the end of the block].
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) length: Option<usize>,
    /// Take the device section, even if a RAM block has the same name.
    #[arg(long, conflicts_with_all = ["offset", "length"])]
    pub(crate) section: bool,
    /// Number of the device among those of the same name.
    #[arg(long, value_name = "N", default_value = "0", conflicts_with_all = ["offset", "length"])]
    pub(crate) instance: u32,
}

#[derive(Debug, Args)]
pub(crate) struct DemoDestinationArgs {
    #[arg(long, value_parser = memory)]
    pub(crate) memory: usize,
    #[arg(long, value_name = "N")]
    pub(crate) channels: Option<u8>,
    #[arg(long, value_enum)]
    pub(crate) dirty_log: DirtyLog,
    #[arg(long, value_enum)]
    pub(crate) machine: MachineKind,
    #[arg(long)]
    pub(crate) vcpus: u8,
    /// Whether to record the run for the report.
    #[arg(long)]
    pub(crate) record: bool,
    #[arg(value_enum)]
    pub(crate) transport: Transport,
}

fn downtime_limit(text: &str) -> Result<Duration, String> {
    let limit = MigrationParameters::MAX_DOWNTIME_LIMIT;
    match text.parse().map(Duration::from_millis) {
        Ok(time) if time <= limit => Ok(time),
        _ => Err(format!("expected milliseconds from 0 to {}", limit.as_millis())),
    }
}
