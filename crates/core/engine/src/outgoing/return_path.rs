//! Reads the destination's answers: QEMU's return path (`source_return_path_thread`).
//!
//! QEMU has a thread that reads the return path. Here the migration thread asks at the end of each
//! pass and waits for the answer, and waits for the final answer at the end. So a pass ends when
//! the destination has loaded it. The bandwidth is then what the destination can load, and when the
//! machine stops, no data waits in the socket (a megabyte there can be 450 MiB of zero pages).

use std::io::{self, Read};

use wire::{Command, DecodeError, Decoder, MAX_RETURN_MESSAGE, Record, ReturnMessage, Wire};

use crate::error::MigrationError;
use crate::fate::Whereabouts;
use crate::state::MigrationState;
use crate::transport::ChannelReader;

use super::stream::Stream;

/// Waits until the destination has loaded what was sent so far, if it can answer. Each call needs a
/// new `number`.
pub(super) fn catch_up(
    state: &MigrationState,
    stream: &mut Stream,
    number: u32,
) -> Result<(), MigrationError> {
    if !stream.channel().is_two_way() {
        return Ok(());
    }
    let mut ping = Vec::new();
    Record::Command(Command::Ping(number)).encode(&mut ping);
    stream.send(state, &ping)?;

    let sent = state.outgoing.progress.transferred();
    let reader = ChannelReader::new(stream.channel(), &state.outgoing.stop);
    let unanswered = |source: DecodeError| {
        let broken = source.io_error().map(io::Error::kind);
        if source.is_end_of_stream() || broken == Some(io::ErrorKind::ConnectionReset) {
            MigrationError::PeerClosed { sent, source: io::Error::other(source) }
        } else {
            MigrationError::Unanswered { sent, source }
        }
    };
    let mut input = decoder(reader);
    loop {
        match ReturnMessage::decode(&mut input).map_err(unanswered)? {
            ReturnMessage::Pong(answered) if answered == number => return Ok(()),
            ReturnMessage::Pong(_) | ReturnMessage::SwitchoverAck => {}
            ReturnMessage::Shut(code) if code != 0 => {
                return Err(MigrationError::DestinationFailed { code });
            }
            other => return Err(unanswered(input.error("PONG on the return path", other.name()))),
        }
    }
}

/// Waits for the destination to report whether it has the machine, and stores the answer as the
/// attempt's fate.
///
/// # Errors
///
/// If the destination does not have the machine, or does not answer, so that its location is not
/// known.
pub(super) fn last_word(state: &MigrationState, stream: &Stream) -> Result<(), MigrationError> {
    let fate = &state.outgoing.fate;
    let mut input = decoder(ChannelReader::new(stream.channel(), &state.outgoing.stop));
    let not_confirmed = |error| MigrationError::NotConfirmed(io::Error::other(error));
    loop {
        match ReturnMessage::decode(&mut input).map_err(not_confirmed)? {
            ReturnMessage::Shut(0) => {
                fate.set(Whereabouts::Destination { at_source: None });
                return Ok(());
            }
            ReturnMessage::Shut(code) => {
                fate.set(Whereabouts::Source);
                return Err(MigrationError::DestinationFailed { code });
            }
            ReturnMessage::Pong(_) | ReturnMessage::SwitchoverAck => {}
            other => {
                let error = input.error("SHUT on the return path", other.name());
                return Err(not_confirmed(error));
            }
        }
    }
}

/// Makes a decoder that does not read beyond a message, so that another decoder can read the next
/// one.
fn decoder<R: Read>(reader: R) -> Decoder<R> {
    Decoder::with_capacity(reader, MAX_RETURN_MESSAGE.into()).without_reading_ahead()
}
