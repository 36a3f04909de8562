//! The phase `Setup`: connects, asks the notifiers, and sends what comes before memory.

use bql::BqlUnlocked;
use wire::{Command, Configuration, FileHeader, Record, Wire};

use crate::attempt::Begun;
use crate::error::MigrationError;
use crate::parameters::MigMode;
use crate::registrations::MigrationEvent;
use crate::sigpipe::hold_back_sigpipe;
use crate::state::MigrationState;
use crate::status::MigrationStatus;
use crate::transport::Endpoint;

use super::active::Active;
use super::finish::Failed;
use super::multifd::Senders;
use super::ram::RamSave;
use super::stream::Stream;

/// The channels are connected, and nothing of the stream was sent. Next: [`activate`](Setup::activate).
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Setup {
    begun: Begun,
    stream: Stream,
}

impl Setup {
    /// Connects to the destination.
    ///
    /// # Errors
    ///
    /// Returns the failed migration, to be cleaned up.
    pub fn connect(
        begun: Begun,
        _thread: &mut BqlUnlocked,
        mut endpoint: Endpoint,
    ) -> Result<Self, Failed> {
        phase!("connect");
        match connect(&begun, &mut endpoint) {
            Ok(stream) => Ok(Setup { begun, stream }),
            Err(error) => Err(Failed::without_stream(begun, error)),
        }
    }

    /// Sends the head of the stream, and starts to track writes to memory.
    ///
    /// # Errors
    ///
    /// Returns the failed migration, to be cleaned up.
    pub fn activate(self, thread: &mut BqlUnlocked) -> Result<Active, Failed> {
        phase!("activate");
        let Setup { begun, mut stream } = self;
        let state = begun.state();
        match send_head(state, thread, &mut stream) {
            Ok(ram) => {
                let progress = &state.outgoing.progress;
                progress.advance(MigrationStatus::Active);
                let setup_time = progress.info().total_time;
                progress.update(|info| info.setup_time = setup_time);
                Ok(Active::new(begun, stream, ram))
            }
            Err(error) => Err(Failed::new(begun, stream, error)),
        }
    }
}

fn connect(begun: &Begun, endpoint: &mut Endpoint) -> Result<Stream, MigrationError> {
    let state = begun.state();
    let multifd = state.capabilities().multifd;
    if multifd && !endpoint.has_many_channels() {
        return Err(MigrationError::OneChannel { uri: endpoint.uri().clone() });
    }
    let channel = endpoint
        .connect(&state.outgoing.stop)
        .map_err(|source| MigrationError::Connect { uri: endpoint.uri().clone(), source })?;
    hold_back_sigpipe();
    let senders = multifd.then(|| Senders::connect(begun, endpoint)).transpose()?;
    Ok(Stream::new(channel, senders))
}

fn send_head(
    state: &MigrationState,
    thread: &mut BqlUnlocked,
    stream: &mut Stream,
) -> Result<RamSave, MigrationError> {
    let mut guard = thread.lock();
    let notifiers = state.registrations(&guard).notifiers(MigMode::Normal);
    notifiers
        .call(&mut guard, MigrationEvent::PrecopySetup)
        .map_err(|reason| MigrationError::Refused { reason })?;
    drop(guard);

    let mut out = Vec::new();
    FileHeader.encode(&mut out);
    Record::Configuration(configuration(state)).encode(&mut out);
    if stream.channel().is_two_way() {
        Record::Command(Command::OpenReturnPath).encode(&mut out);
    }
    let ram = RamSave::begin(state, stream, &mut out)?;
    stream.send(state, &out)?;
    Ok(ram)
}

pub(super) fn configuration(state: &MigrationState) -> Configuration {
    Configuration { machine: state.host.machine.clone(), ..Configuration::default() }
}
