//! `lastref send`: a paused machine whose RAM is a file.

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;

use machine::{NoVm, Ram};
use migration::bql::BqlUnlocked;
use migration::{Direction, MigrationParameters, RunState};

use crate::cli::SendArgs;
use crate::failure::Failure;
use crate::inherited;
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::same_file;
use crate::session::Session;
use crate::watch::watch;

pub(crate) fn run(args: &SendArgs) -> Result<(), Failure> {
    same_file::refuse(&args.ram, &args.uri)?;
    // SAFETY: nothing is open.
    let endpoint = unsafe { inherited::endpoint(&args.uri) }.map_err(Failure::uri(&args.uri))?;
    let interrupt = Interrupt::catch()?;

    let ram = open(args).map_err(Failure::ram_file(&args.ram))?;
    if args.prealloc {
        let done = ram.preallocate(|| !interrupt.is_asked());
        done.map_err(Failure::ram_file(&args.ram))?;
        interrupt.check()?;
    }
    let host =
        machine::machine_none(NoVm::new(RunState::Prelaunch), Arc::new(ram))?.uuid(args.uuid);
    let mut session = Session::new(BqlUnlocked::attach()?, host, Direction::Outgoing, interrupt)?;
    let parameters = MigrationParameters {
        max_bandwidth: 0,
        zero_page_detection: args.zero_page_detection.into(),
        multifd_flush_after_each_section: args.multifd_flush_after_each_section,
        ..Default::default()
    };
    session.begin(endpoint, args.channels, parameters)?;
    watch(&mut session, |_| ());
    let report = Report::new(&session.observer).with_tip(&session.observer, args.channels);
    let (_thread, _life) = session.end();
    report.finish(args.json)
}

/// Names the type of a file that is not a plain file.
pub(crate) fn kind(of: std::fs::FileType) -> &'static str {
    if of.is_dir() {
        "a directory"
    } else if of.is_block_device() {
        "a block device"
    } else if of.is_char_device() {
        "a character device"
    } else if of.is_fifo() {
        "a named pipe"
    } else if of.is_socket() {
        "a socket"
    } else {
        "something else"
    }
}

fn open(args: &SendArgs) -> std::io::Result<Ram> {
    let metadata = std::fs::metadata(&args.ram)?;
    if !metadata.is_file() {
        let kind = kind(metadata.file_type());
        return Err(std::io::Error::other(format!("it is {kind} and not a plain file")));
    }
    Ram::private(&File::open(&args.ram)?)
}
