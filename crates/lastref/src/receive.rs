//! `lastref receive`: the RAM of a paused machine becomes a file.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use machine::{NoVm, Ram};
use migration::bql::BqlUnlocked;
use migration::{Direction, MigrationParameters, RunState};
use tempfile::NamedTempFile;

use crate::cli::ReceiveArgs;
use crate::failure::Failure;
use crate::inherited;
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::session::Session;
use crate::watch::watch;

pub(crate) fn run(args: &ReceiveArgs) -> Result<(), Failure> {
    // SAFETY: nothing was opened yet.
    let endpoint = unsafe { inherited::endpoint(&args.uri) }.map_err(Failure::uri(&args.uri))?;
    let interrupt = Interrupt::catch()?;

    let (file, ram) = create(args).map_err(Failure::ram_file(&args.ram))?;
    if args.prealloc {
        ram.preallocate(|| !interrupt.is_asked());
        interrupt.check()?;
    }
    let host = machine::machine_none(NoVm::new(RunState::InMigrate), Arc::new(ram))?;
    let mut session = Session::new(BqlUnlocked::attach()?, host, Direction::Incoming, interrupt)?;
    session.begin(endpoint, args.channels, MigrationParameters::default())?;
    watch(&mut session);
    let report = Report::new(&session.observer);
    let (_thread, _life) = session.end();
    if report.completed() {
        file.persist(&args.ram).map_err(|error| Failure::ram_file(&args.ram)(error.error))?;
    }
    report.finish(args.json)
}

/// A file beside the one that is wanted; it takes its name when it is complete, and is
/// removed otherwise.
fn create(args: &ReceiveArgs) -> io::Result<(NamedTempFile, Ram)> {
    if args.ram.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let folder = args.ram.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::Builder::new()
        .prefix(".lastref-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.as_file().set_len(args.memory as u64)?;
    let ram = Ram::shared(file.as_file())?;
    Ok((file, ram))
}
