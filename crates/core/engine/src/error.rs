//! The errors of migrations.

use std::any::Any;
use std::io;
use std::process::ExitStatus;

use wire::DecodeError;

use crate::host::SettleError;
use crate::registrations::words;
use crate::transport::Uri;

/// The reason why a migration failed or did not begin. The first error of a migration is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// A migration is already running.
    #[error("a migration is {status} already")]
    Busy {
        /// QAPI's name of the migration's status.
        status: &'static str,
    },
    /// The machine belongs to another migration object.
    #[error("the machine belongs to {by}")]
    Possessed {
        /// A description of that object.
        by: String,
    },
    /// An earlier migration left the machine stopped, because it may run elsewhere.
    #[error(
        "an earlier migration left the machine stopped: let it go on (`cont`) if it does not run \
         elsewhere, or say that it does (`confirm_moved`)"
    )]
    KeptStopped,
    /// No migration left the machine stopped.
    #[error("no migration left the machine stopped")]
    NothingKept,
    /// The machine cannot receive a migration, because it is not waiting for one.
    #[error("the machine does not wait for a migration: it is {run_state}")]
    NotWaiting {
        /// QAPI's name of its run state.
        run_state: &'static str,
    },
    /// The machine cannot be sent, because it is not here.
    #[error("the machine is not here: it is {run_state}")]
    NotHere {
        /// QAPI's name of its run state.
        run_state: &'static str,
    },
    /// At least one blocker forbids migration.
    #[error("migration is blocked: {}", reasons.join("; "))]
    Blocked {
        /// The reason of each blocker.
        reasons: Vec<String>,
    },
    /// A notifier refused the migration at setup.
    #[error("migration was refused at setup: {reason}")]
    Refused {
        /// The notifier's message.
        reason: String,
    },
    /// A file descriptor or a thread could not be created.
    #[error("no {what} for the migration")]
    Resources {
        /// The resource that is missing.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// Could not connect to the destination.
    #[error("cannot connect to {uri}")]
    Connect {
        /// The destination.
        uri: Uri,
        /// The cause.
        source: io::Error,
    },
    /// Could not listen at this URI.
    #[error("cannot wait for a migration at {uri}")]
    Listen {
        /// The URI.
        uri: Uri,
        /// The cause.
        source: io::Error,
    },
    /// The destination accepted the main channel, but not this multifd channel.
    #[error(
        "multifd channel {id} of {channels} cannot be connected to {uri}: does the destination expect \
         so many?"
    )]
    ConnectChannel {
        /// The channel's number.
        id: u8,
        /// Number of channels to connect (`multifd-channels`).
        channels: u8,
        /// The destination.
        uri: Uri,
        /// The cause.
        source: io::Error,
    },
    /// Multifd needs several channels, and the URI provides only one.
    #[error("multifd needs a URI that can be connected to more than once, and {uri} is not one")]
    OneChannel {
        /// The URI to connect to, or to listen at.
        uri: Uri,
    },
    /// The source connected the wrong number of multifd channels.
    #[error(
        "the source connected {found} multifd channels, and {expected} are expected here \
         (multifd-channels)"
    )]
    ChannelsMissing {
        /// Number of channels that connected.
        found: usize,
        /// Number of channels expected.
        expected: usize,
    },
    /// A connection is not a channel that the destination expects.
    #[error("a connection of the source is not a channel that is waited for")]
    Channel(#[source] DecodeError),
    /// The source closed a multifd channel too early.
    #[error("the source closed multifd channel {id} before the end of the migration")]
    ChannelClosed {
        /// The channel's number.
        id: u8,
    },
    /// A multifd channel carried data that is not a page of this machine.
    #[error("multifd channel {id} cannot be loaded")]
    LoadChannel {
        /// The channel's number.
        id: u8,
        /// The cause.
        source: DecodeError,
    },
    /// The peer closed the connection before it had the whole stream.
    #[error("the peer took {sent} bytes of the stream and then closed the connection")]
    PeerClosed {
        /// Bytes of the stream sent so far.
        sent: u64,
        /// The cause.
        source: io::Error,
    },
    /// Sending failed for another reason.
    #[error("sending failed after {sent} bytes of the stream")]
    Send {
        /// Bytes of the stream sent so far.
        sent: u64,
        /// The cause.
        source: io::Error,
    },
    /// The destination reported that it could not load the stream.
    #[error("the destination reports that it could not load the stream (error {code})")]
    DestinationFailed {
        /// The destination's error number.
        code: u32,
    },
    /// The destination did not confirm that it has loaded what was sent so far.
    #[error("the destination was sent {sent} bytes of the stream and does not answer")]
    Unanswered {
        /// Bytes of the stream sent so far.
        sent: u64,
        /// The data or error that came instead of its answer.
        source: DecodeError,
    },
    /// The destination was sent the whole stream, and reported neither success nor failure.
    #[error(
        "the destination was sent the whole stream and did not confirm it; the machine may run there \
         and stays stopped here until it is let go on (`cont`)"
    )]
    NotConfirmed(#[source] io::Error),
    /// The dirty log could not be started or read.
    #[error("dirty pages of RAM block `{block}` cannot be tracked")]
    DirtyLog {
        /// The RAM block.
        block: String,
        /// The cause.
        source: io::Error,
    },
    /// Received pages could not be written to memory.
    #[error("RAM block `{block}` cannot be stored to")]
    Memory {
        /// The RAM block.
        block: String,
        /// The cause.
        source: io::Error,
    },
    /// The stream cannot be loaded.
    #[error("the migration stream cannot be loaded")]
    Load(#[from] DecodeError),
    /// The command at the other end failed before the end of the stream.
    #[error("the command at the other end ended with {status}")]
    Command {
        /// The command's exit status.
        status: ExitStatus,
        /// The error at which the stream ended.
        source: Box<MigrationError>,
    },
    /// The source could not be informed that everything is here, so the machine stays there.
    #[error("the source cannot be told that the machine has arrived")]
    SourceGone {
        /// The cause.
        source: io::Error,
    },
    /// The received machine could not be made durable here.
    #[error("the machine has come and cannot be kept here")]
    Settle(#[source] SettleError),
    /// A device rejected its state.
    #[error("device `{device}` refuses the state that was sent")]
    Restore {
        /// The name of the device's section.
        device: String,
        /// The device's reason.
        source: RestoreError,
    },
    /// A device outside reported that it cannot continue.
    #[error("a device reports: {reason}")]
    Device {
        /// The device's message.
        reason: String,
    },
    /// The migration does not wait in `pre-switchover`, so it cannot be continued.
    #[error("the migration is not in status pre-switchover but {status}")]
    NotPaused {
        /// QAPI's name of the migration's status.
        status: &'static str,
    },
    /// The engine does not have this migration mode.
    #[error("the migration mode {mode} is not built")]
    Mode {
        /// QAPI's name of the mode.
        mode: &'static str,
    },
    /// The migration was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The migration was asked to stop. The reason was recorded before the request and is the
    /// migration's error, so this value never is.
    #[error("asked to stop")]
    Stopped,
    /// Code of the migration or of one of its hooks panicked. A completed migration may have this
    /// error too: the status decides.
    #[error("the migration thread panicked: {message}")]
    Panicked {
        /// The panic's message.
        message: String,
    },
}

/// The reason why a device rejected a state.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RestoreError(pub String);

impl MigrationError {
    pub(crate) fn of_panic(panic: Box<dyn Any + Send>) -> Self {
        MigrationError::Panicked { message: words(panic) }
    }

    /// Converts the error of a failed write.
    pub(crate) fn of_write(sent: u64, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                MigrationError::PeerClosed { sent, source }
            }
            _ => MigrationError::Send { sent, source },
        }
    }
}
