//! The other end of a migration, played by the test.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use engine::{Endpoint, Uri};
use wire::ram::RamRecord;
use wire::vmstate::VmState as _;
use wire::{Command, DecodeError, IdStr, Record, ReturnMessage, TARGET_PAGE_SIZE};

use crate::machine::{BLOCK, Counter, MACHINE_TYPE};
use crate::stream::{RAM, Reader, Stream, encoded};
use crate::wait::DEADLINE;

/// Lets an end of a connection wait no longer than the deadline: one that the other end has
/// forgotten fails the test, and does not hang it.
pub fn limit(end: &UnixStream) {
    end.set_read_timeout(Some(DEADLINE)).expect("a time limit");
    end.set_write_timeout(Some(DEADLINE)).expect("a time limit");
}

/// Makes a socket: one end for the engine, the other for the test.
pub fn pair() -> (Endpoint, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    limit(&ours);
    limit(&theirs);
    (Endpoint::with_fd(Uri::Fd(0), theirs.into()), ours)
}

/// Reads a stream to its last byte, and answers as a destination does that takes it.
///
/// # Errors
///
/// If it is no stream, or ends before.
pub fn read_stream(peer: &UnixStream) -> Result<(), DecodeError> {
    read_until(&mut stream(peer)?, |record| matches!(record, Record::VmDescription(_)))
}

/// Reads a stream until `last` says of a record that it is the last, and answers every PING.
///
/// # Errors
///
/// If it is no stream, or ends before.
pub fn read_until(
    input: &mut Reader<&UnixStream>,
    last: impl Fn(&Record) -> bool,
) -> Result<(), DecodeError> {
    loop {
        let record = input.next_record()?;
        if let Record::Command(Command::Ping(number)) = &record {
            // A source that was cancelled does not listen any more.
            let _ = say(input.input.get_ref(), &ReturnMessage::Pong(*number));
        }
        if last(&record) {
            return Ok(());
        }
    }
}

/// Returns a stream after its first bytes.
///
/// # Errors
///
/// If it begins otherwise.
pub fn stream(peer: &UnixStream) -> Result<Reader<&UnixStream>, DecodeError> {
    let mut input = Reader::new(peer);
    input.header()?;
    Ok(input)
}

/// Reads a stream as it comes.
pub fn reads(peer: UnixStream) -> JoinHandle<Result<(), DecodeError>> {
    thread::spawn(move || read_stream(&peer))
}

/// Says something on the return path.
///
/// # Errors
///
/// If nobody listens.
pub fn say(mut peer: &UnixStream, message: &ReturnMessage) -> io::Result<()> {
    peer.write_all(&encoded(message))
}

/// Returns the head of a stream for a scripted machine.
pub fn head() -> Vec<u8> {
    Stream::default().header().configuration(MACHINE_TYPE).bytes
}

/// Returns the name of the block that every scripted machine has.
pub fn block() -> IdStr {
    IdStr::new(BLOCK).expect("a short name")
}

/// The end of a section of memory; with `flush`, a round of multifd ends there.
pub fn end_of_section(flush: bool) -> Vec<u8> {
    let begun = Stream::default();
    let begun = if flush { begun.piece(&RamRecord::MultifdFlush) } else { begun };
    begun.end_of_part(RAM).bytes
}

/// START of the memory of a machine with `pages` pages.
pub fn memory_start(pages: usize, flush: bool) -> Vec<u8> {
    let length = (pages * TARGET_PAGE_SIZE) as u64;
    let begun = Stream::default().start("ram", RAM).blocks(&[(BLOCK, length)]);
    begun.raw(&end_of_section(flush)).bytes
}

/// END of memory, the devices of a scripted machine, and the end.
pub fn memory_end_and_devices(flush: bool) -> Vec<u8> {
    Stream::default().end(RAM).raw(&end_of_section(flush)).raw(&devices()).bytes
}

/// The devices of a scripted machine, and the end.
pub fn devices() -> Vec<u8> {
    let counter = Stream::default().full(Counter::NAME, 3, Counter::VERSION);
    let counter = counter.state(&Counter::default()).footer(3);
    counter.run_state("paused", 4).footer(4).eof().bytes
}
