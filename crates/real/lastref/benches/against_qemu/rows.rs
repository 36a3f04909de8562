//! What is measured: one row of the table each.

use serde::{Deserialize, Serialize};

/// What the source's RAM holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contents {
    /// No two words alike.
    Random,
    /// Zeros that were written.
    Zero,
    /// Zero and random pages, in runs.
    Half,
    /// Never written: a hole in the file.
    Untouched,
    /// Words of a small vocabulary.
    Text,
}

/// The kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    Unix,
    Tcp,
}

/// One way to migrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Row {
    pub(crate) contents: Contents,
    /// RAM is touched at both sides before it starts.
    pub(crate) preallocated: bool,
    /// One is the plain stream; more are multifd channels beside it.
    pub(crate) channels: usize,
    pub(crate) transport: Transport,
}

/// The row that all others differ from in one thing, most of them.
pub(crate) const CENTRE: Row =
    Row { contents: Contents::Random, preallocated: true, channels: 1, transport: Transport::Unix };

const FRESH: Row = Row { preallocated: false, ..CENTRE };
const ZERO: Row = Row { contents: Contents::Zero, ..CENTRE };
const UNTOUCHED: Row = Row { contents: Contents::Untouched, ..FRESH };
const TWO_CHANNELS: Row = Row { channels: 2, ..CENTRE };
const TCP: Row = Row { transport: Transport::Tcp, ..CENTRE };

/// The whole table.
pub(crate) const ALL: [Row; 13] = [
    CENTRE,
    FRESH,
    Row { contents: Contents::Half, ..CENTRE },
    Row { contents: Contents::Text, ..CENTRE },
    ZERO,
    Row { contents: Contents::Zero, ..FRESH },
    UNTOUCHED,
    TWO_CHANNELS,
    Row { channels: 4, ..CENTRE },
    Row { channels: 2, ..ZERO },
    Row { channels: 4, ..ZERO },
    TCP,
    Row { channels: 2, ..TCP },
];

/// Those that show a slowdown of each part of the work: moving bytes, taking memory, finding
/// zeros, asking the kernel, several channels.
pub(crate) const QUICK: [Row; 5] = [CENTRE, FRESH, ZERO, UNTOUCHED, TWO_CHANNELS];

impl Row {
    /// As the table calls it.
    pub(crate) fn name(&self) -> String {
        let contents = match self.contents {
            Contents::Random => "random",
            Contents::Zero => "zero",
            Contents::Half => "half and half",
            Contents::Untouched => "untouched",
            Contents::Text => "text",
        };
        let ram = if self.preallocated { "preallocated" } else { "fresh" };
        let mut name = format!("{contents}, {ram}");
        if self.channels > 1 {
            name += &format!(", {} channels", self.channels);
        }
        if self.transport == Transport::Tcp {
            name += ", tcp";
        }
        name
    }
}
