//! `lastref receive`: the RAM of a paused machine becomes a file.

use std::io;
use std::sync::Arc;

use machine::{NoVm, Ram};
use migration::bql::BqlUnlocked;
use migration::{Direction, MigrationParameters};
use whole_file::WholeFile;

use crate::cli::ReceiveArgs;
use crate::failure::Failure;
use crate::inherited;
use crate::interrupt::Interrupt;
use crate::report::Report;
use crate::same_file;
use crate::send::kind;
use crate::session::Session;
use crate::watch::watch;

pub(crate) fn run(args: &ReceiveArgs) -> Result<(), Failure> {
    same_file::refuse(&args.ram, &args.uri)?;
    // SAFETY: nothing is open.
    let endpoint = unsafe { inherited::endpoint(&args.uri) }.map_err(Failure::uri(&args.uri))?;
    let interrupt = Interrupt::catch()?;

    let (file, ram) = create(args).map_err(Failure::ram_file(&args.ram))?;
    if args.prealloc {
        let done = ram.preallocate(|| !interrupt.is_asked());
        done.map_err(Failure::ram_file(&args.ram))?;
        interrupt.check()?;
    }
    // The source learns that the machine has arrived only when its file has its name.
    let vm = NoVm::that_settles(move || file.persist());
    let host = machine::machine_none(vm, Arc::new(ram))?.uuid(args.uuid);
    let mut session = Session::new(BqlUnlocked::attach()?, host, Direction::Incoming, interrupt)?;
    session.begin(endpoint, args.channels, MigrationParameters::default())?;
    watch(&mut session, |_| ());
    let report = Report::new(&session.observer).with_tip(&session.observer, args.channels);
    let (_thread, _life) = session.end();
    report.finish(args.json)
}

fn create(args: &ReceiveArgs) -> io::Result<(WholeFile, Ram)> {
    if let Ok(there) = std::fs::metadata(&args.ram)
        && !there.is_file()
    {
        let kind = kind(there.file_type());
        return Err(io::Error::other(format!("it is {kind} and not a plain file")));
    }
    let file = WholeFile::create_private(&args.ram)?;
    file.as_file().set_len(args.memory as u64)?;
    let ram = Ram::shared(file.as_file())?;
    Ok((file, ram))
}
