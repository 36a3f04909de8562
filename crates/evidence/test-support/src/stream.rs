//! Migration streams made by hand, good ones and others, and a reader of any.

use std::io::Read;

use wire::ram::{BlockEntry, BlockList, BlockRef, PageOffset, RAM_VERSION, RamFlags, RamRecord};
use wire::vmstate::{self, CpuTimers, GlobalState, VmState};
use wire::{
    Command, Configuration, DecodeError, Decoder, FileHeader, Footer, IdStr, Record, SectionHeader,
    TARGET_PAGE_SIZE, VmDescription, Wire,
};

use crate::machine::Counter;

/// The number of section `ram`.
pub const RAM: u32 = 2;

/// The pages of a machine that [`Stream::whole`] is for.
pub const PAGES: u64 = 16;

/// Its memory in bytes.
pub const MEMORY: u64 = PAGES * TARGET_PAGE_SIZE as u64;

/// Returns `piece` as it stands in a stream.
pub fn encoded(piece: &impl Wire) -> Vec<u8> {
    Stream::default().piece(piece).bytes
}

/// A stream in the making. What it is asked to append may be wrong: that is what it is for.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// All of it so far.
    pub bytes: Vec<u8>,
    /// Where the part that the receiver will refuse begins.
    pub mark: usize,
}

fn idstr(text: &str) -> IdStr {
    IdStr::new(text).expect("a short name")
}

impl Stream {
    /// A whole stream of `-M none` with [`MEMORY`], page 0 full of 0xa5, page 1 of 0x5a.
    pub fn whole() -> Stream {
        Stream::begun().pages().ended().devices().eof().description()
    }

    /// The stream up to the first piece of `ram`, the list of blocks.
    pub fn begun() -> Stream {
        Stream::head()
            .open_return_path()
            .start("ram", RAM)
            .blocks(&[("ram", MEMORY)])
            .end_of_part(RAM)
    }

    /// Header and configuration.
    pub fn head() -> Stream {
        Stream::default().header().configuration("none")
    }

    /// Magic and version.
    pub fn header(self) -> Stream {
        self.piece(&FileHeader)
    }

    /// The configuration of a machine of this type, and nothing else in it.
    pub fn configuration(self, machine: &str) -> Stream {
        let configuration = Configuration { machine: machine.into(), ..Configuration::default() };
        self.piece(&Record::Configuration(configuration))
    }

    /// The source wants to be answered.
    pub fn open_return_path(self) -> Stream {
        self.command(Command::OpenReturnPath)
    }

    /// A command to the destination.
    pub fn command(self, command: Command) -> Stream {
        self.piece(&Record::Command(command))
    }

    /// The head of a section that is sent in pieces.
    pub fn start(self, name: &str, section_id: u32) -> Stream {
        self.piece(&Record::Start(header(name, section_id, RAM_VERSION)))
    }

    /// The head of a section in one piece.
    pub fn full(self, name: &str, section_id: u32, version: u32) -> Stream {
        self.piece(&Record::Full(header(name, section_id, version)))
    }

    /// The head of another piece of a section.
    pub fn part(self, section_id: u32) -> Stream {
        self.piece(&Record::Part { section_id })
    }

    /// The head of the last piece of a section.
    pub fn end(self, section_id: u32) -> Stream {
        self.piece(&Record::End { section_id })
    }

    /// The list of blocks of memory: names, and lengths in bytes.
    pub fn blocks(self, blocks: &[(&str, u64)]) -> Stream {
        let entries = blocks.iter().map(|(name, used_length)| BlockEntry {
            idstr: idstr(name),
            used_length: *used_length,
        });
        self.piece(&RamRecord::BlockList(BlockList::new(entries).expect("blocks of whole pages")))
    }

    /// A page full of `byte`.
    pub fn page(self, block: &str, offset: u64, byte: u8) -> Stream {
        let offset = PageOffset::containing(offset);
        let block = BlockRef::Named(idstr(block));
        self.piece(&RamRecord::Page { offset, block }).raw(&[byte; TARGET_PAGE_SIZE])
    }

    /// The end of a piece of `ram`, with its footer.
    pub fn end_of_part(self, section_id: u32) -> Stream {
        self.end_mark().footer(section_id)
    }

    /// The end of a piece of `ram`, without its footer.
    pub fn end_mark(self) -> Stream {
        self.piece(&RamRecord::EndOfSection)
    }

    /// The footer of a section.
    pub fn footer(self, section_id: u32) -> Stream {
        self.piece(&Footer { section_id })
    }

    /// A piece of `ram` with two pages.
    pub fn pages(self) -> Stream {
        self.part(RAM).page("ram", 0, 0xa5).page("ram", 0x1000, 0x5a).end_of_part(RAM)
    }

    /// The last piece of `ram`.
    pub fn ended(self) -> Stream {
        self.end(RAM).end_of_part(RAM)
    }

    /// Sections `timer` and `globalstate`.
    pub fn devices(self) -> Stream {
        let timer = self.full("timer", 3, CpuTimers::VERSION).state(&CpuTimers::default());
        timer.footer(3).run_state("prelaunch", 4).footer(4)
    }

    /// Section `globalstate` without its footer.
    pub fn run_state(self, state: &str, section_id: u32) -> Stream {
        let state = GlobalState::new(state).expect("a short text");
        self.full(GlobalState::NAME, section_id, GlobalState::VERSION).state(&state)
    }

    /// What a section in one piece holds.
    pub fn state<S: VmState + Clone>(mut self, state: &S) -> Stream {
        vmstate::save(state, &mut self.bytes);
        self
    }

    /// The end of the machine's state.
    pub fn eof(self) -> Stream {
        self.piece(&Record::Eof)
    }

    /// A description that describes nothing.
    pub fn description(self) -> Stream {
        let description = VmDescription::new("{}".into()).expect("JSON");
        self.piece(&Record::VmDescription(description))
    }

    /// A word of section `ram`, whatever it says.
    pub fn word(self, offset: u64, flags: RamFlags) -> Stream {
        self.raw(&(offset | flags.bits()).to_be_bytes())
    }

    /// Any bytes.
    pub fn raw(mut self, bytes: &[u8]) -> Stream {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Any piece.
    pub fn piece(mut self, piece: &impl Wire) -> Stream {
        piece.encode(&mut self.bytes);
        self
    }

    /// From here on it is wrong.
    pub fn wrong(mut self) -> Stream {
        self.mark = self.bytes.len();
        self
    }
}

/// The head of a section of an instance 0.
pub fn header(name: &str, section_id: u32, version_id: u32) -> SectionHeader {
    SectionHeader { section_id, idstr: idstr(name), instance_id: 0, version_id }
}

/// Loads the state of a device, and appends to the copy how it is written anew.
type Load<R> = fn(&mut Decoder<R>, u32, &mut Vec<u8>) -> Result<(), DecodeError>;

fn load<S: VmState + Clone + Default, R: Read>(
    input: &mut Decoder<R>,
    version: u32,
    copy: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    vmstate::save(&vmstate::load::<S, _>(input, version)?, copy);
    Ok(())
}

/// Reads a stream record by record, each with all that belongs to it.
pub struct Reader<R> {
    /// What it reads from.
    pub input: Decoder<R>,
    devices: Vec<(&'static str, Load<R>)>,
    copy: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// A reader that knows the devices `counter`, `timer` and `globalstate`.
    pub fn new(input: R) -> Self {
        let reader = Reader { input: Decoder::new(input), devices: Vec::new(), copy: Vec::new() };
        reader.device::<Counter>().device::<CpuTimers>().device::<GlobalState>()
    }

    /// Lets it know another device.
    pub fn device<S: VmState + Clone + Default>(mut self) -> Self {
        self.devices.push((S::NAME, load::<S, R>));
        self
    }

    /// Reads magic and version.
    ///
    /// # Errors
    ///
    /// If something else comes.
    pub fn header(&mut self) -> Result<(), DecodeError> {
        self.copy.clear();
        FileHeader::decode(&mut self.input)?.encode(&mut self.copy);
        Ok(())
    }

    /// Reads the next record, with its section and footer if it begins one.
    ///
    /// # Errors
    ///
    /// If something else comes, or a device that it does not know.
    pub fn next_record(&mut self) -> Result<Record, DecodeError> {
        self.copy.clear();
        let record = Record::decode(&mut self.input)?;
        record.encode(&mut self.copy);
        let section_id = match &record {
            Record::Eof | Record::Configuration(_) | Record::Command(_) => return Ok(record),
            Record::VmDescription(_) => return Ok(record),
            Record::Start(SectionHeader { section_id, .. })
            | Record::Part { section_id }
            | Record::End { section_id } => {
                self.ram()?;
                *section_id
            }
            Record::Full(header) => {
                let name = header.idstr.as_str();
                let known = self.devices.iter().find(|(device, _)| *device == name);
                let Some((_, load)) = known else {
                    return Err(self.input.error("a known section", name));
                };
                load(&mut self.input, header.version_id, &mut self.copy)?;
                header.section_id
            }
        };
        Footer::expect(&mut self.input, section_id)?;
        Footer { section_id }.encode(&mut self.copy);
        Ok(record)
    }

    /// What was read last, as it is written anew.
    pub fn copy(&self) -> &[u8] {
        &self.copy
    }

    /// Reads a piece of `ram`.
    fn ram(&mut self) -> Result<(), DecodeError> {
        loop {
            let record = RamRecord::decode(&mut self.input)?;
            record.encode(&mut self.copy);
            match record {
                RamRecord::EndOfSection => return Ok(()),
                RamRecord::Page { .. } => {
                    self.copy.extend_from_slice(self.input.take(TARGET_PAGE_SIZE, "page")?);
                }
                RamRecord::BlockList(_) | RamRecord::Zero { .. } | RamRecord::MultifdFlush => {}
            }
        }
    }
}
