//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use migration::{MigrationParameters, Uri, Uuid, ZeroPageDetection};

use crate::size::{memory, rate};

/// The hidden command. It is like no other, so that none is taken for it.
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
    /// The other process of `demo`.
    #[command(hide = true, name = DESTINATION)]
    DemoDestination(DemoDestinationArgs),
}

impl Command {
    /// Whether the result is wanted as JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Command::Demo(args) => args.json,
            Command::Send(args) => args.json,
            Command::Receive(args) => args.json,
            Command::DemoDestination(_) => false,
        }
    }

    /// What runs without a command: `demo` with its defaults.
    pub(crate) fn demo() -> Self {
        match Cli::parse_from(["lastref", "demo"]).command {
            Some(command) => command,
            None => unreachable!("the command line names one"),
        }
    }
}

/// How the two processes of `demo` are connected.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Transport {
    Unix,
    Tcp,
}

/// Who finds the pages that the machine of `demo` writes to.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DirtyLog {
    // Described with the option: a text for each would spread the help over two pages.
    Auto,
    WriteProtect,
    Software,
}

impl Transport {
    /// As the command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Unix => "unix",
            Transport::Tcp => "tcp",
        }
    }
}

impl DirtyLog {
    /// As the command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DirtyLog::Auto => "auto",
            DirtyLog::WriteProtect => "write-protect",
            DirtyLog::Software => "software",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// RAM of the machine.
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = memory)]
    pub(crate) memory: usize,
    /// Bytes of memory that the machine dirties in a second, in pages of 4096.
    #[arg(long, value_name = "RATE", default_value = "64M", value_parser = rate)]
    pub(crate) dirty_rate: u64,
    /// The longest that the machine may stand still, in milliseconds (at most 2000000).
    #[arg(long, value_name = "MS", default_value = "300", value_parser = downtime_limit)]
    pub(crate) downtime_limit: Duration,
    /// The most bytes to send in a second while the machine runs [default: no limit].
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = rate, hide_default_value = true)]
    pub(crate) max_bandwidth: u64,
    /// The kind of socket between the two processes.
    #[arg(long, value_enum, default_value = "unix")]
    pub(crate) transport: Transport,
    /// Send pages over this many channels beside the main one, as QEMU's multifd does.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) channels: Option<u8>,
    /// How written pages are found: by the kernel's write protection where it can, or by marks.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) dirty_log: DirtyLog,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the migration, on one page that needs nothing else. The file appears complete or not
    /// at all; - is standard output.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The RAM of the machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) ram: PathBuf,
    /// unix:PATH, tcp:HOST:PORT, fd:N, exec:COMMAND or file:PATH[,offset=N]. A TCP peer that is silent
    /// for a minute, or reads nothing for so long, is given up.
    #[arg(value_name = "URI")]
    pub(crate) uri: Uri,
    /// Touch all RAM first.
    #[arg(long)]
    pub(crate) prealloc: bool,
    /// Send pages over this many channels beside the main one, as QEMU's multifd does.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) channels: Option<u8>,
    /// The machine's UUID, which each channel says. A QEMU with -uuid takes no other than its own.
    #[arg(long, value_name = "UUID")]
    pub(crate) uuid: Option<Uuid>,
    /// With --channels, who looks for pages of zeros: the channels, or the main thread for a
    /// destination before QEMU 9.0.
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
    /// Where the RAM of the machine goes. The file appears complete or not at all.
    #[arg(long, value_name = "FILE")]
    pub(crate) ram: PathBuf,
    /// RAM of the machine, the same as at the source.
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: usize,
    /// unix:PATH, tcp:HOST:PORT, fd:N, exec:COMMAND or file:PATH[,offset=N]. Without HOST it waits at
    /// any address. A TCP peer that is silent for a minute is given up.
    #[arg(value_name = "URI")]
    pub(crate) uri: Uri,
    /// Touch all RAM first.
    #[arg(long)]
    pub(crate) prealloc: bool,
    /// Take pages over this many channels beside the main one, as the source sends them: QEMU's
    /// multifd.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) channels: Option<u8>,
    /// Take the machine with this UUID only, where its source says one: QEMU does with -uuid and
    /// --channels.
    #[arg(long, value_name = "UUID")]
    pub(crate) uuid: Option<Uuid>,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoDestinationArgs {
    #[arg(long, value_parser = memory)]
    pub(crate) memory: usize,
    #[arg(long, value_name = "N")]
    pub(crate) channels: Option<u8>,
    #[arg(long, value_enum)]
    pub(crate) dirty_log: DirtyLog,
    /// Record the run for the report.
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
