//! Why a migration did not work.

use std::any::Any;
use std::io;
use std::process::ExitStatus;

use wire::DecodeError;

use crate::host::SettleError;
use crate::registrations::words;
use crate::transport::Uri;

/// Why a migration did not work, or was not begun. The first one of a migration is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// A migration runs already.
    #[error("a migration is {status} already")]
    Busy {
        /// QAPI's name of its status.
        status: &'static str,
    },
    /// The machine belongs to another migration object.
    #[error("the machine belongs to {by}")]
    Possessed {
        /// What is known of that object.
        by: String,
    },
    /// An earlier migration left the machine stopped, since it may run elsewhere.
    #[error(
        "an earlier migration left the machine stopped: let it go on (`cont`) if it does not run \
         elsewhere, or say that it does (`confirm_moved`)"
    )]
    KeptStopped,
    /// No migration left the machine stopped.
    #[error("no migration left the machine stopped")]
    NothingKept,
    /// The machine cannot be migrated to here.
    #[error("the machine does not wait for a migration: it is {run_state}")]
    NotWaiting {
        /// QAPI's name of what it does.
        run_state: &'static str,
    },
    /// The machine cannot be migrated from here.
    #[error("the machine is not here: it is {run_state}")]
    NotHere {
        /// QAPI's name of what it does.
        run_state: &'static str,
    },
    /// Something on this machine forbids migration.
    #[error("migration is blocked: {}", reasons.join("; "))]
    Blocked {
        /// One reason a blocker.
        reasons: Vec<String>,
    },
    /// A notifier did not let the migration begin.
    #[error("migration was refused at setup: {reason}")]
    Refused {
        /// The notifier's words.
        reason: String,
    },
    /// The object cannot be used for want of a descriptor or a thread.
    #[error("no {what} for the migration")]
    Resources {
        /// What is missing.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The destination cannot be reached.
    #[error("cannot connect to {uri}")]
    Connect {
        /// The destination.
        uri: Uri,
        /// Why.
        source: io::Error,
    },
    /// There is no waiting for the source there.
    #[error("cannot wait for a migration at {uri}")]
    Listen {
        /// The place.
        uri: Uri,
        /// Why.
        source: io::Error,
    },
    /// The destination took the main channel and not this one.
    #[error(
        "multifd channel {id} of {channels} cannot be connected to {uri}: does the destination expect \
         so many?"
    )]
    ConnectChannel {
        /// The channel's number.
        id: u8,
        /// How many there are to be (`multifd-channels`).
        channels: u8,
        /// The destination.
        uri: Uri,
        /// Why.
        source: io::Error,
    },
    /// There is one channel where multifd needs more.
    #[error("multifd needs a URI that can be connected to more than once, and {uri} is not one")]
    OneChannel {
        /// The destination, or the place of waiting.
        uri: Uri,
    },
    /// Not every multifd channel has come.
    #[error(
        "the source connected {found} multifd channels, and {expected} are expected here \
         (multifd-channels)"
    )]
    ChannelsMissing {
        /// How many there are.
        found: usize,
        /// How many there have to be.
        expected: usize,
    },
    /// A connection is none of those that are waited for.
    #[error("a connection of the source is not a channel that is waited for")]
    Channel(#[source] DecodeError),
    /// A multifd channel ended too early.
    #[error("the source closed multifd channel {id} before the end of the migration")]
    ChannelClosed {
        /// The channel's number.
        id: u8,
    },
    /// A multifd channel brought something that is no page of this machine.
    #[error("multifd channel {id} cannot be loaded")]
    LoadChannel {
        /// The channel's number.
        id: u8,
        /// Why.
        source: DecodeError,
    },
    /// Sending failed.
    #[error("the peer took {sent} bytes of the stream and then closed the connection")]
    PeerClosed {
        /// Bytes of the stream that were sent.
        sent: u64,
        /// Why.
        source: io::Error,
    },
    /// Sending failed.
    #[error("sending failed after {sent} bytes of the stream")]
    Send {
        /// Bytes of the stream that were sent.
        sent: u64,
        /// Why.
        source: io::Error,
    },
    /// The destination says that it could not load the stream.
    #[error("the destination reports that it could not load the stream (error {code})")]
    DestinationFailed {
        /// Its number for the error.
        code: u32,
    },
    /// The destination was asked whether it has taken what was sent, and does not say so.
    #[error("the destination was sent {sent} bytes of the stream and does not answer")]
    Unanswered {
        /// Bytes of the stream that were sent.
        sent: u64,
        /// What came instead of its answer.
        source: DecodeError,
    },
    /// The destination was sent everything and said neither that it took it nor that it did not.
    #[error(
        "the destination was sent the whole stream and did not confirm it; the machine may run there \
         and stays stopped here until it is let go on (`cont`)"
    )]
    NotConfirmed(#[source] io::Error),
    /// The dirty log does not work.
    #[error("dirty pages of RAM block `{block}` cannot be tracked")]
    DirtyLog {
        /// The RAM block.
        block: String,
        /// Why.
        source: io::Error,
    },
    /// Memory cannot be stored to.
    #[error("RAM block `{block}` cannot be stored to")]
    Memory {
        /// The RAM block.
        block: String,
        /// Why.
        source: io::Error,
    },
    /// The stream cannot be loaded.
    #[error("the migration stream cannot be loaded")]
    Load(#[from] DecodeError),
    /// The command at the other end of the stream failed before the end of that.
    #[error("the command at the other end ended with {status}")]
    Command {
        /// How it ended.
        status: ExitStatus,
        /// Where the stream ended.
        source: Box<MigrationError>,
    },
    /// The source could not be told that everything is here, so the machine stays there.
    #[error("the source cannot be told that the machine has arrived")]
    SourceGone {
        /// Why.
        source: io::Error,
    },
    /// What has come cannot be made durable here.
    #[error("the machine has come and cannot be kept here")]
    Settle(#[source] SettleError),
    /// A device refuses its state.
    #[error("device `{device}` refuses the state that was sent")]
    Restore {
        /// The section's name.
        device: String,
        /// The device's reason.
        source: RestoreError,
    },
    /// A device outside said that it cannot go on.
    #[error("a device reports: {reason}")]
    Device {
        /// The device's words.
        reason: String,
    },
    /// There is nothing to continue.
    #[error("the migration is not in status pre-switchover but {status}")]
    NotPaused {
        /// QAPI's name of its status.
        status: &'static str,
    },
    /// The engine has no migration of this kind.
    #[error("the migration mode {mode} is not built")]
    Mode {
        /// QAPI's name of it.
        mode: &'static str,
    },
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// It was asked to stop. The reason was recorded before it was asked, and is its error; so this
    /// one never is.
    #[error("asked to stop")]
    Stopped,
    /// Code of the migration or of one of its hooks panicked. A migration that
    /// completed may have this error too: the status decides.
    #[error("the migration thread panicked: {message}")]
    Panicked {
        /// The panic's words.
        message: String,
    },
}

/// A device's reason to refuse a state, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RestoreError(pub String);

impl MigrationError {
    pub(crate) fn of_panic(panic: Box<dyn Any + Send>) -> Self {
        MigrationError::Panicked { message: words(panic) }
    }

    /// What a failed write means.
    pub(crate) fn of_write(sent: u64, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                MigrationError::PeerClosed { sent, source }
            }
            _ => MigrationError::Send { sent, source },
        }
    }
}
