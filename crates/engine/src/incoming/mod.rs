//! The destination: `process_incoming_migration_co` of `migration/migration.c`.
//!
//! Its phases are types too: [`Connected`] loads the stream and becomes [`Loaded`], which
//! gives the word that everything is here and becomes [`Arrived`]. Whatever fails before that
//! word leaves the machine as it was: device state is put in place when all of it is here.

mod load;
mod multifd;
mod new_memory;
mod ram;

use std::sync::Arc;

use bql::{BqlGuard, BqlUnlocked};
use wire::{Decoder, ReturnMessage, Wire};

use crate::attempt::{self, Begun, Cleaned, keep_error};
use crate::channel::{Channel, ChannelReader};
use crate::error::MigrationError;
use crate::host::RunState;
use crate::state::MigrationState;
use crate::status::{Direction, MigrationStatus};
use crate::transport::Endpoint;

use load::Contents;
use multifd::Connections;

/// Bytes of the main channel that are read at once. They stay in the cache until they are stored to
/// memory. 2 GiB of random pages from `lastref send` into new memory took 0.91 s with 64 KiB, 0.86 s
/// with 128 KiB, 0.82 and 0.88 s so, 0.84 s with 512 KiB and 0.85 s with a MiB (medians of 9 in two
/// runs). From QEMU into memory that was there sizes of 64 to 512 KiB differed in no order that a
/// second run kept. Slower was no copy: one `readv` into many pages, guessing that they follow each
/// other (0.41 s, where 64 KiB took 0.37 s).
const BUFFER: usize = 256 << 10;

/// Begins to wait for a migration at `endpoint` and returns (`qmp_migrate_incoming`). The
/// rest happens on a thread of its own.
///
/// # Errors
///
/// If a migration runs, or if there can be no thread for it.
pub fn migrate_incoming(
    state: Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    endpoint: Endpoint,
) -> Result<(), MigrationError> {
    let begun = attempt::begin(&state, bql, Direction::Incoming)?;
    attempt::spawn(
        state,
        bql,
        Direction::Incoming,
        "mig/dst/main",
        move |state, thread| through_the_phases(state, thread, begun, endpoint),
        clean_up,
    )
}

fn clean_up(
    state: &MigrationState,
    bql: &mut BqlGuard<'_>,
    end: Option<Result<Arrived, MigrationError>>,
) -> Cleaned {
    match end {
        Some(Ok(arrived)) => return arrived.clean_up(state, bql),
        Some(Err(error)) => keep_error(state, Direction::Incoming, error),
        None => {}
    }
    Cleaned::failed(state, Direction::Incoming)
}

fn through_the_phases(
    state: &MigrationState,
    thread: &mut BqlUnlocked,
    begun: Begun,
    endpoint: Endpoint,
) -> Result<Arrived, MigrationError> {
    Connected::wait(state, thread, begun, endpoint)?.load(state, thread)?.confirm(state, thread)
}

/// The source has connected.
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Connected {
    channel: Channel,
    multifd: Option<Connections>,
}

impl Connected {
    /// Waits for the source at `endpoint`.
    ///
    /// # Errors
    ///
    /// If there is no waiting there, or it was cancelled.
    pub fn wait(
        state: &MigrationState,
        _thread: &mut BqlUnlocked,
        begun: Begun,
        endpoint: Endpoint,
    ) -> Result<Self, MigrationError> {
        let uri = endpoint.uri().clone();
        let side = &state.incoming;
        let multifd = state.capabilities().multifd;
        if multifd && !endpoint.has_many_channels() {
            return Err(MigrationError::OneChannel { uri });
        }
        let cannot = |source| MigrationError::Listen { uri: uri.clone(), source };
        let mut listener = endpoint.listen().map_err(cannot)?;
        attempt::hold_back_sigpipe();
        if let Some(address) = listener.address() {
            side.progress.set_socket_address(address);
        }
        let connected = if multifd {
            let (channel, others) = Connections::wait_for_main(state, begun, uri, listener)?;
            Connected { channel, multifd: Some(others) }
        } else {
            let channel = listener.accept(&side.stop).map_err(cannot)?;
            Connected { channel, multifd: None }
        };
        side.progress.advance(MigrationStatus::Active);
        Ok(connected)
    }

    /// Loads the whole stream, and only then puts the devices' states in place.
    ///
    /// # Errors
    ///
    /// If the stream ends early or is not one for this machine, or a device refuses its state.
    pub fn load(
        self,
        state: &MigrationState,
        thread: &mut BqlUnlocked,
    ) -> Result<Loaded, MigrationError> {
        let mut answers = Answers { channel: &self.channel, open: false };
        let reader = ChannelReader::new(&self.channel, &state.incoming.stop);
        let mut input = Decoder::with_capacity(reader, BUFFER);
        let loaded = load::load(state, &mut input, &mut answers, self.multifd)
            .and_then(|contents| contents.restore(state, &mut thread.lock()));
        match loaded {
            Ok(at_source) => {
                Ok(Loaded { return_path: answers.open, channel: self.channel, at_source })
            }
            Err(error) => {
                answers.say_failed(state);
                Err(error)
            }
        }
    }
}

/// The way back to the source, once it has asked for one.
struct Answers<'a> {
    channel: &'a Channel,
    open: bool,
}

impl Answers<'_> {
    fn say(&self, state: &MigrationState, message: ReturnMessage) -> std::io::Result<()> {
        if !self.open {
            return Ok(());
        }
        self.channel.write_all(&state.incoming.stop, &encoded(&message))
    }

    /// Tells the source that this did not work, if there is a way to do so just now. The
    /// connection may be what failed; the source then sees it closed.
    fn say_failed(&self, _state: &MigrationState) {
        if self.open {
            self.channel.write_now(&encoded(&ReturnMessage::Shut(1)));
        }
    }
}

fn encoded(message: &ReturnMessage) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// Memory and devices have what the source had.
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Loaded {
    channel: Channel,
    return_path: bool,
    at_source: RunState,
}

impl Loaded {
    /// Tells the source. If it does not want to hear it any more, the machine stays there.
    ///
    /// # Errors
    ///
    /// If the source cannot be told.
    pub fn confirm(
        self,
        state: &MigrationState,
        _thread: &mut BqlUnlocked,
    ) -> Result<Arrived, MigrationError> {
        let answers = Answers { channel: &self.channel, open: self.return_path };
        answers
            .say(state, ReturnMessage::Shut(0))
            .map_err(|source| MigrationError::SourceGone { source })?;
        self.channel
            .close(&state.incoming.stop)
            .map_err(|source| MigrationError::Close { source })?;
        Ok(Arrived { at_source: self.at_source })
    }
}

/// The machine is here and nowhere else.
#[derive(Debug)]
#[must_use = "the machine is here alone, and has to go on"]
pub struct Arrived {
    at_source: RunState,
}

impl Arrived {
    /// The machine goes on here.
    pub fn clean_up(self, state: &MigrationState, bql: &mut BqlGuard<'_>) -> Cleaned {
        state.host.vm.has_arrived(bql, self.at_source);
        Cleaned::completed(Direction::Incoming)
    }
}

impl Contents {
    /// Puts every device state in place.
    fn restore(
        self,
        _state: &MigrationState,
        bql: &mut BqlGuard<'_>,
    ) -> Result<RunState, MigrationError> {
        for (device, state) in self.devices {
            state.restore(bql).map_err(|source| MigrationError::Restore { device, source })?;
        }
        Ok(self.at_source)
    }
}
