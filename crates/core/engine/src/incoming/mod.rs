//! The destination: `process_incoming_migration_co` of `migration/migration.c`.
//!
//! Its phases are types too: [`Connected`] loads the stream and becomes [`Loaded`], which
//! gives the word that everything is here and becomes [`Arrived`]. Device state is put in place
//! when all of it is here, and the machine does not run before the source has given it away.

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
use load::{Brought, Loading};

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
/// If a migration runs, if the machine is another object's or does not wait for a migration, or if
/// there can be no thread for it.
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
        // A panic took the right of a machine that has arrived.
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

/// The source has connected.
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
    /// If there is no waiting there, or it was cancelled.
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

    /// Loads the whole stream, and puts the devices' states in place when all of it is here but
    /// its end.
    ///
    /// # Errors
    ///
    /// If the stream ends early or is not one for this machine, or a device refuses its state.
    pub fn load(self, thread: &mut BqlUnlocked) -> Result<Loaded, MigrationError> {
        phase!("load");
        let Connected { begun, waiting, mut channel, multifd } = self;
        let state = begun.state();
        let mut answers = Answers { channel: &channel, open: false };
        let reader = ChannelReader::new(&channel, &state.incoming.stop);
        let mut input = Decoder::with_capacity(reader, BUFFER);
        let loading = Loading::new(&begun, &waiting, multifd);
        match loading.load(thread, &mut input, &mut answers) {
            Ok(Brought { at_source, given_away }) => {
                let return_path = answers.open;
                Ok(Loaded { begun, waiting, channel, return_path, at_source, given_away })
            }
            Err(error) => {
                answers.say_failed();
                drop(input);
                Err(match channel.failed_command(&state.incoming.stop) {
                    Some(status) => MigrationError::Command { status, source: Box::new(error) },
                    None => error,
                })
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
    fn say(&self, state: &MigrationState, message: ReturnMessage) -> io::Result<()> {
        if !self.open {
            return Ok(());
        }
        self.channel.write_all(&state.incoming.stop, &encoded(&message))
    }

    /// Answers a PING.
    fn pong(
        &self,
        state: &MigrationState,
        input: &Decoder<ChannelReader<'_>>,
        number: u32,
    ) -> Result<(), DecodeError> {
        self.say(state, ReturnMessage::Pong(number))
            .map_err(|error| input.error("a source that reads the return path", error.to_string()))
    }

    /// # Errors
    ///
    /// If the source has gone, as one that was cancelled does.
    fn check_heard(&self) -> Result<(), MigrationError> {
        if self.open && self.channel.has_ended() {
            let source = io::ErrorKind::ConnectionAborted.into();
            return Err(MigrationError::SourceGone { source });
        }
        Ok(())
    }

    /// Tells the source that this did not work, if there is a way to do so just now. The
    /// connection may be what failed; the source then sees it closed.
    fn say_failed(&self) {
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
    begun: Begun,
    waiting: VmWaiting,
    channel: Channel,
    return_path: bool,
    at_source: RunState,
    given_away: bool,
}

impl Loaded {
    /// Makes the machine durable here, and tells the source.
    ///
    /// # Errors
    ///
    /// If it cannot be kept here, or if the source cannot be told and may still have it. Then it
    /// stays at the source.
    pub fn confirm(self, thread: &mut BqlUnlocked) -> Result<Arrived, MigrationError> {
        phase!("confirm");
        let Loaded { begun, waiting, channel, return_path, at_source, given_away } = self;
        let state = begun.state();
        let answers = Answers { channel: &channel, open: return_path };
        if !given_away {
            answers.check_heard()?;
        }
        // What is durable cannot be taken back, so a cancel comes before that or too late.
        let closed = state.incoming.stop.close();
        let closed = closed.map_err(|source| MigrationError::SourceGone { source });
        if let Err(error) = closed.and_then(|()| settle(state, thread, &waiting)) {
            answers.say_failed();
            return Err(error);
        }
        match answers.say(state, ReturnMessage::Shut(0)) {
            // A source of ours waits for its user, who is told that the machine may be here.
            Err(_) if given_away => {}
            Err(source) => return Err(MigrationError::SourceGone { source }),
            Ok(()) => {}
        }
        state.incoming.fate.set(Whereabouts::Destination { at_source: Some(at_source) });
        // A command that brought the stream has done what it was for, and is ended here.
        let channel = given_away.then_some(channel);
        Ok(Arrived { begun, arrived: waiting.arrived(at_source), channel })
    }
}

/// Makes what has come durable; a hook that panics has not done so.
fn settle(
    state: &MigrationState,
    thread: &mut BqlUnlocked,
    waiting: &VmWaiting,
) -> Result<(), MigrationError> {
    let settled = AssertUnwindSafe(|| state.host.vm.settle(thread, waiting));
    catch_unwind(settled).map_err(MigrationError::of_panic)?.map_err(MigrationError::Settle)
}

/// The machine is here and nowhere else.
#[derive(Debug)]
#[must_use = "the machine is here alone, and has to go on"]
pub struct Arrived {
    begun: Begun,
    arrived: VmArrived,
    /// On which the source may still send the description.
    channel: Option<Channel>,
}

impl Arrived {
    /// The machine goes on here.
    pub fn clean_up(self, bql: &mut BqlGuard<'_>) -> Cleaned {
        let state = self.begun.state();
        start(state, bql, self.arrived);
        if let Some(channel) = self.channel {
            bql.unlocked(|_| channel.read_out(&state.incoming.stop));
        }
        Cleaned::as_reached(state, Direction::Incoming)
    }
}
