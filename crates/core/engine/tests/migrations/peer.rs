//! The other end of a migration, played by the test.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use engine::{Endpoint, Uri};
use wire::ram::{BlockEntry, BlockList, RAM_VERSION, RamRecord};
use wire::vmstate::{self, GlobalState, VmState as _};
use wire::{
    Command, Configuration, DecodeError, Decoder, FileHeader, Footer, IdStr, Record, ReturnMessage,
    SectionHeader, TARGET_PAGE_SIZE, Wire,
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

/// Reads a stream to its last byte, and answers as a destination does that takes it.
pub(crate) fn read_stream(peer: &UnixStream) -> Result<(), DecodeError> {
    let mut input = stream(peer)?;
    loop {
        match next(&mut input)? {
            Record::VmDescription(_) => return Ok(()),
            Record::Command(Command::Ping(number)) => {
                // A source that was cancelled does not listen any more.
                let _ = say(peer, &ReturnMessage::Pong(number));
            }
            _ => {}
        }
    }
}

/// A stream after its first bytes.
pub(crate) fn stream(peer: &UnixStream) -> Result<Decoder<&UnixStream>, DecodeError> {
    let mut input = Decoder::new(peer);
    FileHeader::decode(&mut input)?;
    Ok(input)
}

/// The next record of a stream; what belongs to it is read too.
pub(crate) fn next(input: &mut Decoder<&UnixStream>) -> Result<Record, DecodeError> {
    let record = Record::decode(input)?;
    match &record {
        Record::Start(_) | Record::Part { .. } | Record::End { .. } => {
            loop {
                match RamRecord::decode(input)? {
                    RamRecord::EndOfSection => break,
                    RamRecord::Page { .. } => input.skip(TARGET_PAGE_SIZE as u64, "page")?,
                    _ => {}
                }
            }
            Footer::decode(input)?;
        }
        Record::Full(header) => {
            if header.idstr.as_str() == Counter::NAME {
                vmstate::load::<Counter, _>(input, header.version_id)?;
            } else {
                vmstate::load::<GlobalState, _>(input, header.version_id)?;
            }
            Footer::decode(input)?;
        }
        _ => {}
    }
    Ok(record)
}

/// Reads a stream as it comes.
pub(crate) fn reads(peer: UnixStream) -> JoinHandle<Result<(), DecodeError>> {
    std::thread::spawn(move || read_stream(&peer))
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

/// The number of the section `ram`.
pub(crate) const RAM_SECTION: u32 = 2;

/// The block of every machine here.
pub(crate) fn block() -> IdStr {
    IdStr::new("memory").expect("a short name")
}

pub(crate) fn header(section_id: u32, name: &str, version_id: u32) -> SectionHeader {
    let idstr = IdStr::new(name).expect("a short name");
    SectionHeader { section_id, idstr, instance_id: 0, version_id }
}

/// The end of a section of memory; with `flush`, a round of multifd ends there.
pub(crate) fn end_of_section(flush: bool) -> Vec<u8> {
    let flush = if flush { encoded(&RamRecord::MultifdFlush) } else { Vec::new() };
    let footer = encoded(&Footer { section_id: RAM_SECTION });
    [flush, encoded(&RamRecord::EndOfSection), footer].concat()
}

/// START of the memory of a machine with `pages` pages.
pub(crate) fn memory_start(pages: usize, flush: bool) -> Vec<u8> {
    let used_length = (pages * TARGET_PAGE_SIZE) as u64;
    let list = BlockList::new([BlockEntry { idstr: block(), used_length }]).expect("one block");
    let start = Record::Start(header(RAM_SECTION, "ram", RAM_VERSION));
    [encoded(&start), encoded(&RamRecord::BlockList(list)), end_of_section(flush)].concat()
}

/// END of memory, the devices of a machine of ours, and the end.
pub(crate) fn memory_end_and_devices(flush: bool) -> Vec<u8> {
    let end = encoded(&Record::End { section_id: RAM_SECTION });
    [end, end_of_section(flush), devices()].concat()
}

/// The devices of a machine of ours, and the end.
pub(crate) fn devices() -> Vec<u8> {
    let mut out = Vec::new();
    for (section_id, name) in [(3, Counter::NAME), (4, GlobalState::NAME)] {
        out.extend(encoded(&Record::Full(header(section_id, name, 1))));
        if name == Counter::NAME {
            vmstate::save(&Counter::default(), &mut out);
        } else {
            vmstate::save(&GlobalState::new("paused").expect("a run state"), &mut out);
        }
        out.extend(encoded(&Footer { section_id }));
    }
    out.extend(encoded(&Record::Eof));
    out
}

pub(crate) fn encoded(piece: &impl Wire) -> Vec<u8> {
    let mut out = Vec::new();
    piece.encode(&mut out);
    out
}
