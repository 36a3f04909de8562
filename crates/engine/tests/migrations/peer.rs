//! The other end of a migration, played by the test.

use std::io::Write;
use std::os::unix::net::UnixStream;

use engine::{Endpoint, Uri};
use wire::ram::RamRecord;
use wire::vmstate::{self, GlobalState, VmState as _};
use wire::{
    Configuration, DecodeError, Decoder, FileHeader, Footer, Record, ReturnMessage,
    TARGET_PAGE_SIZE, Wire,
};

use crate::rig::{Counter, DEADLINE, MACHINE_TYPE};

/// One end of a socket for the engine, the other for the test.
pub(crate) fn pair() -> (Endpoint, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    for end in [&ours, &theirs] {
        // A peer that the engine has forgotten fails the test, and does not hang it.
        end.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        end.set_write_timeout(Some(DEADLINE)).expect("a time limit");
    }
    (Endpoint::with_fd(Uri::Fd(0), theirs.into()), ours)
}

/// Reads a stream to its last byte.
pub(crate) fn read_stream(peer: &UnixStream) -> Result<(), DecodeError> {
    let mut input = Decoder::new(peer);
    FileHeader::decode(&mut input)?;
    loop {
        match Record::decode(&mut input)? {
            Record::VmDescription(_) => return Ok(()),
            Record::Start(_) | Record::Part { .. } | Record::End { .. } => {
                loop {
                    match RamRecord::decode(&mut input)? {
                        RamRecord::EndOfSection => break,
                        RamRecord::Page { .. } => input.skip(TARGET_PAGE_SIZE as u64, "page")?,
                        _ => {}
                    }
                }
                Footer::decode(&mut input)?;
            }
            Record::Full(header) => {
                if header.idstr.as_str() == Counter::NAME {
                    vmstate::load::<Counter, _>(&mut input, header.version_id)?;
                } else {
                    vmstate::load::<GlobalState, _>(&mut input, header.version_id)?;
                }
                Footer::decode(&mut input)?;
            }
            Record::Eof | Record::Configuration(_) | Record::Command(_) => {}
        }
    }
}

/// Says something on the return path.
pub(crate) fn say(mut peer: &UnixStream, message: &ReturnMessage) -> std::io::Result<()> {
    peer.write_all(&encoded(message))
}

/// The head of a stream for a machine of ours.
pub(crate) fn head() -> Vec<u8> {
    let configuration = Configuration { machine: MACHINE_TYPE.into(), ..Configuration::default() };
    [encoded(&FileHeader), encoded(&Record::Configuration(configuration))].concat()
}

pub(crate) fn encoded(piece: &impl Wire) -> Vec<u8> {
    let mut out = Vec::new();
    piece.encode(&mut out);
    out
}
