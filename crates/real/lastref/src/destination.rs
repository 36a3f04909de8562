//! The destination process of `demo`: takes the machine over, lets it continue, and checks it.
//!
//! It reports to the first process on its standard output, one JSON object per line.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use machine::Ram;
use migration::bql::BqlUnlocked;
use migration::{Direction, MigrationInfo, MigrationParameters, MigrationStatus, RunState, Uri};
use serde::{Deserialize, Serialize};

use crate::cli::{DemoDestinationArgs, Transport};
use crate::failure::Failure;
use crate::guest::{Made, Plan};
use crate::interrupt::Interrupt;
use crate::record::{Record, Recording};
use crate::report::ObjectLife;
use crate::session::Session;

/// Time for which the machine runs before it is checked.
const RUNS_ON: Duration = Duration::from_millis(500);

/// A message of the destination.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The destination waits for the source at this URI.
    Waits(String),
    /// The machine has arrived and was checked.
    Arrived(Arrived),
    /// The migration failed.
    Failed { error: String, record: Option<Record> },
}

/// The result of the check at the destination.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Arrived {
    /// When the vCPU started here, on the monotonic clock; zero if it did not.
    pub(crate) started_at: Duration,
    /// Number of writes that each vCPU had done when the machine arrived, and when it was checked.
    pub(crate) arrived: Vec<u64>,
    pub(crate) checked: Vec<u64>,
    /// Number of pages compared, or the first word that differs.
    pub(crate) memory: Result<usize, String>,
    /// What the guest found unexpected.
    pub(crate) wrong: Option<String>,
    /// What the machine has printed here, if it has a serial port.
    pub(crate) printed: Option<String>,
    pub(crate) life: Option<ObjectLife>,
    /// The record for the source's report, if it has one.
    pub(crate) record: Option<Record>,
}

impl Message {
    fn say(&self) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::Print(error.into()))?;
        let mut out = std::io::stdout();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::Print)
    }

    /// Reads the next message; returns `None` if the destination is gone.
    pub(crate) fn hear(from: &mut impl BufRead) -> std::io::Result<Option<Message>> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        Ok(serde_json::from_str(&line).ok())
    }
}

pub(crate) fn run(args: &DemoDestinationArgs) -> Result<(), Failure> {
    match take_over(args) {
        Err(error) if !matches!(error, Failure::Reported) => {
            let error = migration::error_chain(&error);
            Message::Failed { error, record: None }.say().and(Err(Failure::Reported))
        }
        done => done,
    }
}

fn take_over(args: &DemoDestinationArgs) -> Result<(), Failure> {
    // If the first process dies, the machine must not continue unnoticed.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| Failure::set_up("the death signal of the parent")(error.into()))?;

    let ram = Arc::new(Ram::anonymous(args.memory).map_err(Failure::set_up("the memory"))?);
    let plan = Plan {
        kind: args.machine,
        vcpus: args.vcpus,
        dirty_log: args.dirty_log,
        seed: 0,
        rate: 0,
        state: RunState::InMigrate,
    };
    let mut thread = BqlUnlocked::attach()?;
    let Made { host, guest, .. } = plan.make(&mut thread, ram)?;
    let recording = args.record.then(Recording::start);
    let mut session = Session::new(thread, host, Direction::Incoming, Interrupt::catch()?)?;
    // An abstract socket has no file that a killed process could leave behind, and no path that
    // could be too long.
    let any = match args.transport {
        Transport::Unix => Uri::unix_abstract(""),
        Transport::Tcp => Uri::Tcp("127.0.0.1:0".into()),
    };
    session.begin(any.into(), args.channels, MigrationParameters::default())?;

    let wait = |session: &mut Session, waits: bool| loop {
        let done = |status: MigrationStatus, info: &MigrationInfo| {
            status.is_terminal() || waits && info.socket_address.is_some()
        };
        let status = session.wait(done);
        if done(status, &session.observer.info()) {
            return status;
        }
    };
    wait(&mut session, true);
    if let Some(uri) = session.observer.info().socket_address {
        Message::Waits(uri.to_string()).say()?;
    }
    if wait(&mut session, false) != MigrationStatus::Completed {
        let observer = session.observer.clone();
        let error = observer.error();
        let error = error.map(|error| migration::error_chain(&*error)).unwrap_or_default();
        let (_thread, events) = session.end();
        let record = recording.map(|recording| recording.end(&observer, &events));
        return Message::Failed { error, record }.say().and(Err(Failure::Reported));
    }

    let observer = session.observer.clone();
    let (mut thread, events) = session.end();
    std::thread::sleep(RUNS_ON);
    let record = recording.map(|recording| recording.end(&observer, &events));
    let mut bql = thread.lock();
    let started_at = guest.started_at(&bql);
    guest.stop(&mut bql);
    let arrived = guest.arrived(&bql);
    let failure = guest.failure(&bql);
    let position = failure.map_or_else(|| guest.position(&bql), Err);
    let (checked, memory, wrong) = match &position {
        Ok(position) => (position.writes.clone(), guest.verify_memory(&bql), position.wrong()),
        Err(error) => (Vec::new(), Err(error.clone()), None),
    };
    drop(bql);
    Message::Arrived(Arrived {
        started_at,
        arrived,
        checked,
        memory,
        wrong,
        printed: guest.printed().map(|printed| String::from_utf8_lossy(&printed).into_owned()),
        life: ObjectLife::new(&events),
        record: record.map(|record| Record { started_at, ..record }),
    })
    .say()?;
    guest.join(&mut thread);
    Ok(())
}
