//! Migration streams made by hand, good ones and others, and a peer that reads one.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use wire::ram::{BlockEntry, BlockList, BlockRef, PageOffset, RAM_VERSION, RamFlags, RamRecord};
use wire::vmstate::{self, CpuTimers, GlobalState, VmState as _};
use wire::{
    Command, Configuration, DecodeError, Decoder, FileHeader, Footer, IdStr, Record, ReturnMessage,
    SectionHeader, TARGET_PAGE_SIZE, VmDescription, Wire,
};

/// The number of section `ram`.
pub(crate) const RAM: u32 = 2;

/// The pages of a machine that [`Stream::whole`] is for.
pub(crate) const PAGES: u64 = 16;

/// Its memory in bytes.
pub(crate) const MEMORY: u64 = PAGES * TARGET_PAGE_SIZE as u64;

/// A stream in the making. What it is asked to append may be wrong: that is what it is for.
#[derive(Clone, Default)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    /// Where the part that the receiver will refuse begins.
    pub(crate) mark: usize,
}

fn idstr(text: &str) -> IdStr {
    IdStr::new(text).expect("a short name")
}

impl Stream {
    /// A whole stream of `-M none` with [`MEMORY`], page 0 full of 0xa5, page 1 of 0x5a.
    pub(crate) fn whole() -> Stream {
        Stream::begun().pages().ended().devices().eof().description()
    }

    /// The stream up to the first piece of `ram`, the list of blocks.
    pub(crate) fn begun() -> Stream {
        Stream::head()
            .open_return_path()
            .start("ram", RAM)
            .blocks(&[("ram", MEMORY)])
            .end_of_part(RAM)
    }

    /// Header and configuration.
    pub(crate) fn head() -> Stream {
        Stream::default().header().configuration("none")
    }

    pub(crate) fn header(self) -> Stream {
        self.piece(&FileHeader)
    }

    pub(crate) fn configuration(self, machine: &str) -> Stream {
        let configuration = Configuration { machine: machine.into(), ..Configuration::default() };
        self.piece(&Record::Configuration(configuration))
    }

    pub(crate) fn open_return_path(self) -> Stream {
        self.command(Command::OpenReturnPath)
    }

    pub(crate) fn command(self, command: Command) -> Stream {
        self.piece(&Record::Command(command))
    }

    /// The head of a section that is sent in pieces.
    pub(crate) fn start(self, name: &str, section_id: u32) -> Stream {
        self.piece(&Record::Start(header(name, section_id, RAM_VERSION)))
    }

    /// The head of a section in one piece.
    pub(crate) fn full(self, name: &str, section_id: u32, version: u32) -> Stream {
        self.piece(&Record::Full(header(name, section_id, version)))
    }

    pub(crate) fn part(self, section_id: u32) -> Stream {
        self.piece(&Record::Part { section_id })
    }

    pub(crate) fn end(self, section_id: u32) -> Stream {
        self.piece(&Record::End { section_id })
    }

    pub(crate) fn blocks(self, blocks: &[(&str, u64)]) -> Stream {
        let entries = blocks.iter().map(|(name, used_length)| BlockEntry {
            idstr: idstr(name),
            used_length: *used_length,
        });
        self.piece(&RamRecord::BlockList(BlockList::new(entries).expect("blocks of whole pages")))
    }

    /// A page full of `byte`.
    pub(crate) fn page(self, block: &str, offset: u64, byte: u8) -> Stream {
        let offset = PageOffset::containing(offset);
        let block = BlockRef::Named(idstr(block));
        self.piece(&RamRecord::Page { offset, block }).raw(&[byte; TARGET_PAGE_SIZE])
    }

    /// The end of a piece of `ram`, with its footer.
    pub(crate) fn end_of_part(self, section_id: u32) -> Stream {
        self.end_mark().footer(section_id)
    }

    pub(crate) fn end_mark(self) -> Stream {
        self.piece(&RamRecord::EndOfSection)
    }

    pub(crate) fn footer(self, section_id: u32) -> Stream {
        self.piece(&Footer { section_id })
    }

    /// A piece of `ram` with two pages.
    pub(crate) fn pages(self) -> Stream {
        self.part(RAM).page("ram", 0, 0xa5).page("ram", 0x1000, 0x5a).end_of_part(RAM)
    }

    /// The last piece of `ram`.
    pub(crate) fn ended(self) -> Stream {
        self.end(RAM).end_of_part(RAM)
    }

    /// Sections `timer` and `globalstate`.
    pub(crate) fn devices(self) -> Stream {
        let mut stream = self.full("timer", 3, CpuTimers::VERSION);
        vmstate::save(&CpuTimers::default(), &mut stream.bytes);
        stream.footer(3).run_state("prelaunch", 4).footer(4)
    }

    /// Section `globalstate` without its footer.
    pub(crate) fn run_state(self, state: &str, section_id: u32) -> Stream {
        let mut stream = self.full(GlobalState::NAME, section_id, GlobalState::VERSION);
        let state = GlobalState::new(state).expect("a short text");
        vmstate::save(&state, &mut stream.bytes);
        stream
    }

    pub(crate) fn eof(self) -> Stream {
        self.piece(&Record::Eof)
    }

    pub(crate) fn description(self) -> Stream {
        let description = VmDescription::new("{}".into()).expect("JSON");
        self.piece(&Record::VmDescription(description))
    }

    /// A word of section `ram`, whatever it says.
    pub(crate) fn word(self, offset: u64, flags: RamFlags) -> Stream {
        self.raw(&(offset | flags.bits()).to_be_bytes())
    }

    /// Any bytes.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Stream {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Any piece.
    pub(crate) fn piece(mut self, piece: &impl Wire) -> Stream {
        piece.encode(&mut self.bytes);
        self
    }

    /// From here on it is wrong.
    pub(crate) fn wrong(mut self) -> Stream {
        self.mark = self.bytes.len();
        self
    }
}

fn header(name: &str, section_id: u32, version_id: u32) -> SectionHeader {
    SectionHeader { section_id, idstr: idstr(name), instance_id: 0, version_id }
}

/// Reads a stream of `-M none` to its last byte, and says when asked that it has caught up.
pub(crate) fn read(mut peer: &UnixStream) -> Result<(), DecodeError> {
    let mut input = Decoder::new(peer);
    FileHeader::decode(&mut input)?;
    loop {
        match Record::decode(&mut input)? {
            Record::VmDescription(_) => return Ok(()),
            Record::Start(_) | Record::Part { .. } | Record::End { .. } => {
                loop {
                    match RamRecord::decode(&mut input)? {
                        RamRecord::EndOfSection => break,
                        RamRecord::Page { .. } => input.skip(TARGET_PAGE_SIZE as u64, "a page")?,
                        _ => {}
                    }
                }
                Footer::decode(&mut input)?;
            }
            Record::Full(header) => {
                if header.idstr.as_str() == CpuTimers::NAME {
                    vmstate::load::<CpuTimers, _>(&mut input, header.version_id)?;
                } else {
                    vmstate::load::<GlobalState, _>(&mut input, header.version_id)?;
                }
                Footer::decode(&mut input)?;
            }
            Record::Command(Command::Ping(number)) => {
                let mut pong = Vec::new();
                ReturnMessage::Pong(number).encode(&mut pong);
                peer.write_all(&pong).expect("a sender that listens");
            }
            Record::Eof | Record::Configuration(_) | Record::Command(_) => {}
        }
    }
}
