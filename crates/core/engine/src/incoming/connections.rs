//! Sorts the connections that a source makes: finds the main one, and the number of each multifd
//! channel.

use std::time::Instant;

use wire::multifd::{MULTIFD_INIT_LEN, MultifdInit};
use wire::{Decoder, Uuid, Wire};

use crate::error::MigrationError;
use crate::state::MigrationState;
use crate::transport::{Channel, ChannelReader, Uri};

use super::arrivals::{Arrivals, Beginning, LOOK};

/// The connections of a source beside the main one.
#[derive(Debug)]
pub(super) struct Connections {
    arrivals: Arrivals,
    uri: Uri,
    /// Multifd channels that arrived before the main one.
    early: Vec<Channel>,
}

impl Connections {
    /// Waits for the main connection, which differs from the others in its magic
    /// (`migration_ioc_process_incoming`).
    pub(super) fn wait_for_main(
        state: &MigrationState,
        uri: Uri,
        arrivals: Arrivals,
    ) -> Result<(Channel, Self), MigrationError> {
        let mut connections = Connections { arrivals, uri, early: Vec::new() };
        loop {
            let Some((channel, beginning)) = connections.next(state)? else { continue };
            if beginning == Beginning::Main {
                return Ok((channel, connections));
            }
            let expected = usize::from(state.parameters().multifd_channels);
            if connections.early.len() == expected {
                return Err(MigrationError::ChannelsMissing { found: expected + 1, expected });
            }
            connections.early.push(channel);
        }
    }

    /// Waits for the next connection. While there are early channels, it returns `None` at
    /// intervals, after it has dropped those that were closed.
    ///
    /// A source closes none of its connections before it has made them all and sent everything. So
    /// a channel that is closed before there is a main connection belongs to a source that is gone,
    /// not to the next one.
    fn next(
        &mut self,
        state: &MigrationState,
    ) -> Result<Option<(Channel, Beginning)>, MigrationError> {
        let closed: Vec<bool> = self.early.iter().map(Channel::is_half_closed).collect();
        let look = (!self.early.is_empty()).then(|| Instant::now() + LOOK);
        let next = self.arrivals.next(state, look);
        let next =
            next.map_err(|source| MigrationError::Listen { uri: self.uri.clone(), source })?;
        if next.is_none() {
            let mut closed = closed.into_iter();
            self.early.retain(|_| !closed.next().unwrap_or(false));
        }
        Ok(next)
    }

    /// Collects every channel that the source has connected, in the order of their numbers.
    pub(super) fn complete(self, state: &MigrationState) -> Result<Vec<Channel>, MigrationError> {
        let expected = usize::from(state.parameters().multifd_channels);
        let Connections { mut arrivals, uri, early } = self;
        let deadline = Instant::now() + arrivals.delay();
        let mut early = early.into_iter();
        let mut places: Vec<Option<Channel>> = (0..expected).map(|_| None).collect();
        // Without a UUID of the machine any UUID is accepted, but all channels must have the same.
        let mut uuid = state.host.uuid;
        loop {
            let found = places.iter().flatten().count();
            let next = match early.next() {
                Some(channel) => Some(channel),
                // All places are taken. A further channel that is already there is an error, so
                // look without waiting.
                None => {
                    let now = Instant::now();
                    let until = if found == expected { now } else { deadline };
                    let next = arrivals.next(state, Some(until));
                    next.map_err(|source| MigrationError::Listen { uri: uri.clone(), source })?
                        .map(|(channel, _)| channel)
                }
            };
            let Some(channel) = next else { break };
            let id = number(state, &channel, &places, &mut uuid)?;
            places[id] = Some(channel);
        }
        let channels: Vec<Channel> = places.into_iter().flatten().collect();
        if channels.len() < expected {
            return Err(MigrationError::ChannelsMissing { found: channels.len(), expected });
        }
        Ok(channels)
    }
}

/// Reads the number of a channel, and checks that it is in range and did not arrive before.
fn number(
    state: &MigrationState,
    channel: &Channel,
    places: &[Option<Channel>],
    uuid: &mut Option<Uuid>,
) -> Result<usize, MigrationError> {
    let reader = ChannelReader::new(channel, &state.incoming.stop);
    let mut input = Decoder::with_capacity(reader, MULTIFD_INIT_LEN);
    let init = MultifdInit::decode(&mut input).map_err(MigrationError::Channel)?;
    let uuid = uuid.get_or_insert(init.uuid);
    if init.uuid != *uuid {
        let error = input.error_at(8, format!("UUID {uuid}"), format!("UUID {}", init.uuid));
        return Err(MigrationError::Channel(error));
    }
    match places.get(usize::from(init.id)) {
        Some(None) => Ok(init.id.into()),
        place => {
            let (expected, found) = match place {
                Some(_) => ("each channel id once".to_owned(), "a second time"),
                None => (format!("a channel id below {} (multifd-channels)", places.len()), ""),
            };
            let found = format!("id {} {found}", init.id);
            Err(MigrationError::Channel(input.error_at(24, expected, found.trim_end())))
        }
    }
}
