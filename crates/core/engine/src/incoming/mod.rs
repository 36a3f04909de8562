//! The destination: `process_incoming_migration_co` of `migration/migration.c`.
//!
//! Its phases are types too: [`Connected`] loads the stream and becomes [`Loaded`], which confirms
//! to the source that everything is here and becomes [`Arrived`]. Device state is put in place when
//! the whole stream is here, and the machine does not run before the source has given it away.

mod arrivals;
mod connections;
mod load;
mod new_memory;
mod place;
mod ram;
mod receivers;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bql::{BqlGuard, BqlUnlocked};
use wire::{DecodeError, Decoder, ReturnMessage, Wire};

use crate::attempt::{self, Begun, Cleaned, keep_error};
use crate::error::MigrationError;
use crate::fate::Whereabouts;
use crate::host::RunState;
use crate::rights::{VmArrived, VmWaiting};
use crate::sigpipe::hold_back_sigpipe;
use crate::state::MigrationState;
use crate::status::{Direction, MigrationStatus};
use crate::transport::{Channel, ChannelReader, Endpoint};

use arrivals::Arrivals;
use connections::Connections;
use load::{Contents, Loading};

/// Size of one read from the main channel. The bytes stay in the CPU cache until they are copied to
/// memory; `docs/decisions.md` (*Measured on the way*) has the sizes that were measured.
const BUFFER: usize = 256 << 10;

/// Starts to wait for a migration at `endpoint` and returns (`qmp_migrate_incoming`). A separate
/// thread does the rest.
///
/// # Errors
///
/// If a migration runs, if the machine belongs to another object or does not wait for a migration,
/// or if no thread can be started.
pub fn migrate_incoming(
    state: Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    endpoint: Endpoint,
) -> Result<(), MigrationError> {
    state.check_idle()?;
    let waiting = VmWaiting::of(&state.host, bql)?;
    let begun = attempt::begin(&state, bql, Direction::Incoming)?;
    attempt::spawn(
        state,
        bql,
        Direction::Incoming,
        "mig/dst/main",
        move |_, thread| through_the_phases(begun, waiting, thread, endpoint),
        clean_up,
    )
}

fn clean_up(
    state: &Arc<MigrationState>,
    bql: &mut BqlGuard<'_>,
    end: Option<Result<Arrived, MigrationError>>,
) -> Cleaned {
    match (end, state.incoming.fate.get()) {
        (Some(Ok(arrived)), _) => return arrived.clean_up(bql),
        (Some(Err(error)), _) => keep_error(state, Direction::Incoming, error),
        // The right was lost in a panic after the machine had arrived.
        (None, Whereabouts::Destination { at_source: Some(at_source) }) => {
            start(state, bql, VmArrived::after_panic(&state.host, at_source));
        }
        (None, _) => {}
    }
    Cleaned::as_reached(state, Direction::Incoming)
}

fn start(state: &MigrationState, bql: &mut BqlGuard<'_>, arrived: VmArrived) {
    if let Err(panic) = arrived.start(bql) {
        keep_error(state, Direction::Incoming, panic);
    }
}

fn through_the_phases(
    begun: Begun,
    waiting: VmWaiting,
    thread: &mut BqlUnlocked,
    endpoint: Endpoint,
) -> Result<Arrived, MigrationError> {
    Connected::wait(begun, waiting, thread, endpoint)?.load(thread)?.confirm(thread)
}

/// The source has connected. Next: [`load`](Connected::load).
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Connected {
    begun: Begun,
    waiting: VmWaiting,
    channel: Channel,
    multifd: Option<Connections>,
}

impl Connected {
    /// Waits for the source at `endpoint`.
    ///
    /// # Errors
    ///
    /// If the endpoint cannot be listened at, or the wait was cancelled.
    pub fn wait(
        begun: Begun,
        waiting: VmWaiting,
        _thread: &mut BqlUnlocked,
        endpoint: Endpoint,
    ) -> Result<Self, MigrationError> {
        phase!("wait");
        let state = begun.state();
        let uri = endpoint.uri().clone();
        let side = &state.incoming;
        let multifd = state.capabilities().multifd;
        if multifd && !endpoint.has_many_channels() {
            return Err(MigrationError::OneChannel { uri });
        }
        let cannot = |source| MigrationError::Listen { uri: uri.clone(), source };
        let listener = endpoint.listen(&side.stop).map_err(cannot)?;
        hold_back_sigpipe();
        if let Some(address) = listener.address() {
            side.progress.set_socket_address(address);
        }
        let mut arrivals = Arrivals::new(listener);
        let (channel, multifd) = if multifd {
            let (channel, others) = Connections::wait_for_main(state, uri, arrivals)?;
            (channel, Some(others))
        } else {
            (arrivals.main(state).map_err(cannot)?, None)
        };
        side.progress.restart_clock();
        side.progress.advance(MigrationStatus::Active);
        Ok(Connected { begun, waiting, channel, multifd })
    }

    /// Loads the whole stream, and puts the device states in place when all of it but EOF is here.
    ///
    /// # Errors
    ///
    /// If the stream ends early or is not for this machine, or a device refuses its state.
    pub fn load(self, thread: &mut BqlUnlocked) -> Result<Loaded, MigrationError> {
        phase!("load");
        let Connected { begun, waiting, mut channel, multifd } = self;
        let state = begun.state();
        let mut return_path = ReturnPath { channel: &channel, open: false };
        let reader = ChannelReader::new(&channel, &state.incoming.stop);
        let mut input = Decoder::with_capacity(reader, BUFFER);
        let loading = Loading::new(&begun, &waiting, multifd);
        match loading.load(thread, &mut input, &mut return_path) {
            Ok(Contents { at_source, given_away }) => {
                let return_path = return_path.open;
                Ok(Loaded { begun, waiting, channel, return_path, at_source, given_away })
            }
            Err(error) => {
                return_path.send_failed();
                drop(input);
                Err(match channel.failed_command(&state.incoming.stop) {
                    Some(status) => MigrationError::Command { status, source: Box::new(error) },
                    None => error,
                })
            }
        }
    }
}

/// The return path to the source, which is open once the source has asked for it.
struct ReturnPath<'a> {
    channel: &'a Channel,
    open: bool,
}

impl ReturnPath<'_> {
    fn send(&self, state: &MigrationState, message: ReturnMessage) -> io::Result<()> {
        if !self.open {
            return Ok(());
        }
        self.channel.write_all(&state.incoming.stop, &encoded(&message))
    }

    /// Answers a PING, if the return path is open.
    fn pong(
        &self,
        state: &MigrationState,
        input: &Decoder<ChannelReader<'_>>,
        number: u32,
    ) -> Result<(), DecodeError> {
        self.send(state, ReturnMessage::Pong(number))
            .map_err(|error| input.error("a source that reads the return path", error.to_string()))
    }

    /// Checks that the source still listens on the return path.
    ///
    /// # Errors
    ///
    /// If the source has closed the connection, as a cancelled one does.
    fn check_source_open(&self) -> Result<(), MigrationError> {
        if self.open && self.channel.has_ended() {
            let source = io::ErrorKind::ConnectionAborted.into();
            return Err(MigrationError::SourceGone { source });
        }
        Ok(())
    }

    /// Reports a failure to the source, if that is possible without waiting. The connection may be
    /// what failed; the source then sees it closed.
    fn send_failed(&self) {
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

/// Memory and devices have the state that the source sent. Next: [`confirm`](Loaded::confirm).
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Loaded {
    begun: Begun,
    waiting: VmWaiting,
    channel: Channel,
    return_path: bool,
    at_source: RunState,
    given_away: bool,
}

impl Loaded {
    /// Makes the machine durable here, and reports that to the source.
    ///
    /// # Errors
    ///
    /// If the machine cannot be kept here, or if the source cannot be reached and may still have
    /// it. The machine then stays at the source.
    pub fn confirm(self, thread: &mut BqlUnlocked) -> Result<Arrived, MigrationError> {
        phase!("confirm");
        let Loaded { begun, waiting, channel, return_path, at_source, given_away } = self;
        let state = begun.state();
        let return_path = ReturnPath { channel: &channel, open: return_path };
        if !given_away {
            return_path.check_source_open()?;
        }
        // A durable machine cannot be taken back, so a cancel must come before this point.
        let closed = state.incoming.stop.close();
        let closed = closed.map_err(|source| MigrationError::SourceGone { source });
        if let Err(error) = closed.and_then(|()| settle(state, thread, &waiting)) {
            return_path.send_failed();
            return Err(error);
        }
        match return_path.send(state, ReturnMessage::Shut(0)) {
            // A source of this engine reports to its user that the machine may be here, and waits.
            Err(_) if given_away => {}
            Err(source) => return Err(MigrationError::SourceGone { source }),
            Ok(()) => {}
        }
        state.incoming.fate.set(Whereabouts::Destination { at_source: Some(at_source) });
        // A command that sent the stream is no longer needed, and dropping its channel ends it.
        let channel = given_away.then_some(channel);
        Ok(Arrived { begun, arrived: waiting.arrived(at_source), channel })
    }
}

/// Makes the received machine durable. A hook that panics has failed to do so.
fn settle(
    state: &MigrationState,
    thread: &mut BqlUnlocked,
    waiting: &VmWaiting,
) -> Result<(), MigrationError> {
    let settled = AssertUnwindSafe(|| state.host.vm.settle(thread, waiting));
    catch_unwind(settled).map_err(MigrationError::of_panic)?.map_err(MigrationError::Settle)
}

/// The end of a migration whose machine is here and nowhere else.
#[derive(Debug)]
#[must_use = "the machine is here alone, and has to go on"]
pub struct Arrived {
    begun: Begun,
    arrived: VmArrived,
    /// The channel on which the source may still send the description.
    channel: Option<Channel>,
}

impl Arrived {
    /// Starts the machine here.
    pub fn clean_up(self, bql: &mut BqlGuard<'_>) -> Cleaned {
        let state = self.begun.state();
        start(state, bql, self.arrived);
        if let Some(channel) = self.channel {
            bql.unlocked(|_| channel.read_out(&state.incoming.stop));
        }
        Cleaned::as_reached(state, Direction::Incoming)
    }
}
