//! Loads a stream: `migration/savevm.c`, `qemu_loadvm_state`.

use std::collections::HashMap;

use bql::BqlUnlocked;
use wire::ram::RAM_VERSION;
use wire::vmstate::{self, GlobalState, VmState};
use wire::{
    Command, Configuration, DecodeError, Decoder, FileHeader, Footer, Record, SectionHeader, Wire,
};

use crate::agreement::READY_PING;
use crate::attempt::Begun;
use crate::error::MigrationError;
use crate::host::{Restore, RunState};
use crate::rights::VmWaiting;
use crate::state::MigrationState;
use crate::transport::ChannelReader;

use super::ReturnPath;
use super::connections::Connections;
use super::ram::RamLoad;

type Input<'a> = Decoder<ChannelReader<'a>>;

/// A stream that is being loaded. Device state is kept here until the whole stream has arrived.
pub(super) struct Loading<'a> {
    begun: &'a Begun,
    waiting: &'a VmWaiting,
    ram: RamLoad<'a>,
    /// The section that each section number stands for.
    numbers: HashMap<u32, SectionHeader>,
    /// The received states, with the name of each device.
    devices: Vec<(String, Box<dyn Restore>)>,
    at_source: RunState,
}

/// The result of loading a stream.
#[derive(Debug)]
pub(super) struct Contents {
    /// The run state at the source.
    pub(super) at_source: RunState,
    /// Whether the source has given the machine away, and takes it back only if the destination
    /// says so. In that case the description still follows, and is not waited for.
    pub(super) given_away: bool,
}

impl<'a> Loading<'a> {
    pub(super) fn new(
        begun: &'a Begun,
        waiting: &'a VmWaiting,
        multifd: Option<Connections>,
    ) -> Self {
        Loading {
            begun,
            waiting,
            ram: RamLoad::new(begun, multifd),
            numbers: HashMap::new(),
            devices: Vec::new(),
            // The default, because a stream without this section comes from a machine that runs.
            at_source: RunState::Running,
        }
    }

    /// Reads a stream to its end, and puts the device states in place.
    pub(super) fn load(
        mut self,
        thread: &mut BqlUnlocked,
        input: &mut Input<'_>,
        return_path: &mut ReturnPath<'_>,
    ) -> Result<Contents, MigrationError> {
        let state = self.begun.state();
        FileHeader::decode(input)?;
        match Record::decode(input)? {
            Record::Configuration(configuration) => {
                check_configuration(state, input, &configuration)?;
            }
            other => return Err(input.error("the configuration first", name(&other)).into()),
        }
        // Whether the source has asked, before EOF, if everything was loaded.
        let mut asked = false;
        loop {
            match Record::decode(input)? {
                Record::Eof => break,
                record if asked => return Err(input.error("the end", name(&record)).into()),
                Record::Start(header) => self.load_start(input, header, true)?,
                Record::Full(header) => self.load_start(input, header, false)?,
                Record::Part { section_id } => self.load_part(input, section_id, false)?,
                Record::End { section_id } => self.load_part(input, section_id, true)?,
                Record::Command(Command::Ping(READY_PING)) if return_path.open => {
                    self.ram.check_whole(input)?;
                    self.ram.finish()?;
                    self.restore(thread)?;
                    return_path.pong(state, input, READY_PING)?;
                    asked = true;
                }
                Record::Command(command) => obey(state, input, return_path, command)?,
                other @ (Record::Configuration(_) | Record::VmDescription(_)) => {
                    let expected = "a section, a command or the end";
                    return Err(input.error(expected, name(&other)).into());
                }
            }
            self.ram.count(input.offset());
        }
        if !asked {
            self.ram.check_whole(input)?;
            self.ram.finish()?;
            description(input)?;
            self.restore(thread)?;
        }
        Ok(Contents { at_source: self.at_source, given_away: asked })
    }

    /// Puts every device state in place.
    fn restore(&mut self, thread: &mut BqlUnlocked) -> Result<(), MigrationError> {
        let mut bql = thread.lock();
        for (device, restore) in std::mem::take(&mut self.devices) {
            let restored = restore.restore(&mut bql, self.waiting);
            restored.map_err(|source| MigrationError::Restore { device, source })?;
        }
        Ok(())
    }

    /// Loads a section's START or FULL.
    fn load_start(
        &mut self,
        input: &mut Input<'_>,
        header: SectionHeader,
        in_pieces: bool,
    ) -> Result<(), MigrationError> {
        if let Some(other) = self.numbers.get(&header.section_id) {
            let taken = format!("a section number other than that of {}", other.label());
            return Err(input.error(taken, header.label()).into());
        }
        // This check limits what a stream can make the destination keep to what the machine has.
        let same = |other: &SectionHeader| {
            (&other.idstr, other.instance_id) == (&header.idstr, header.instance_id)
        };
        if self.numbers.values().any(same) {
            let once = format!("{} once", header.label());
            return Err(input.error(once, "a second time").into());
        }
        let (state, section_id) = (self.begun.state(), header.section_id);
        match (header.idstr.as_str(), header.instance_id, in_pieces) {
            ("ram", 0, true) => {
                if header.version_id != RAM_VERSION {
                    let expected = format!("version {RAM_VERSION} of the section");
                    let found = format!("version {}", header.version_id);
                    return Err(input.error(expected, found).into());
                }
                self.ram.load(input)?;
            }
            (DIRTY_BITMAP, 0, true) => no_bitmaps(input)?,
            (GlobalState::NAME, 0, false) => {
                let global: GlobalState = vmstate::load(input, header.version_id)?;
                let runstate = global
                    .runstate()
                    .map_err(|error| input.error("a run state", error.to_string()))?;
                self.at_source = RunState::of_source(runstate)
                    .ok_or_else(|| input.error("a run state of QAPI", format!("{runstate:?}")))?;
            }
            (idstr, instance_id, false) => {
                let Some(entry) = state.host.find_device(idstr, instance_id) else {
                    return Err(unknown(state, input, &header).into());
                };
                let restore = entry.device.clone().load(input, header.version_id)?;
                self.devices.push((idstr.to_owned(), restore));
            }
            _ => return Err(unknown(state, input, &header).into()),
        }
        Footer::expect(input, section_id)?;
        self.numbers.insert(section_id, header);
        Ok(())
    }

    /// Loads a section's PART or END.
    fn load_part(
        &mut self,
        input: &mut Input<'_>,
        section_id: u32,
        last: bool,
    ) -> Result<(), MigrationError> {
        let begun = self.numbers.get(&section_id);
        if let Some(header) = begun {
            input.set_section(Some(&header.label()));
        }
        match begun.map(|header| header.idstr.as_str()) {
            Some("ram") => {
                self.ram.load(input)?;
                if last {
                    self.ram.end(input)?;
                }
            }
            Some(DIRTY_BITMAP) => no_bitmaps(input)?,
            _ => {
                let found = format!("section number {section_id}");
                let expected = "the number of a section that was begun";
                return Err(input.error(expected, found).into());
            }
        }
        Footer::expect(input, section_id)?;
        Ok(())
    }
}

/// The section that a source sends if it is able to send dirty bitmaps
/// (`migration/block-dirty-bitmap.c`).
const DIRTY_BITMAP: &str = "dirty-bitmap";

/// Reads one piece of the section [`DIRTY_BITMAP`], which must consist of the end flag alone,
/// because the machine has no disks.
fn no_bitmaps(input: &mut Input<'_>) -> Result<(), DecodeError> {
    const END: u8 = 0x01;
    match input.u8("flags of a dirty bitmap")? {
        END => Ok(()),
        flags => {
            Err(input.error("no dirty bitmap, as there are no disks", format!("{flags:#04x}")))
        }
    }
}

/// Reads the description after EOF. A source that sends none closes the channel instead.
fn description(input: &mut Input<'_>) -> Result<(), DecodeError> {
    if input.peek_u8()?.is_none() {
        return Ok(());
    }
    match Record::decode(input)? {
        Record::VmDescription(_) => Ok(()),
        other => Err(input.error("the VM description or the end", name(&other))),
    }
}

fn check_configuration(
    state: &MigrationState,
    input: &Input<'_>,
    configuration: &Configuration,
) -> Result<(), DecodeError> {
    let Configuration { machine, target_page_bits, capabilities, uuid } = configuration;
    let ours = &state.host.machine;
    if machine != ours {
        let expected = format!("machine type {ours:?}");
        return Err(input.error(expected, format!("machine type {machine:?}")));
    }
    if let (Some(ours), Some(theirs)) = (state.host.uuid, *uuid)
        && ours != theirs
    {
        return Err(input.error(format!("UUID {ours}"), format!("UUID {theirs}")));
    }
    let bits = wire::TARGET_PAGE_SIZE.ilog2();
    if let Some(theirs) = target_page_bits.filter(|theirs| *theirs != bits) {
        return Err(input.error(format!("{bits} page bits"), theirs.to_string()));
    }
    if let Some(capabilities) = capabilities.as_ref().filter(|names| !names.is_empty()) {
        let names: Vec<&str> = capabilities.iter().map(|name| name.as_str()).collect();
        return Err(input.error("no capability that changes the stream", names.join(", ")));
    }
    Ok(())
}

fn obey(
    state: &MigrationState,
    input: &Input<'_>,
    return_path: &mut ReturnPath<'_>,
    command: Command,
) -> Result<(), DecodeError> {
    match command {
        // A file has no return path, and no source waits at its other end.
        Command::OpenReturnPath => return_path.open = return_path.channel.is_two_way(),
        Command::Ping(value) => return_path.pong(state, input, value)?,
        // Without page sizes the command does not announce postcopy of memory. A source that may
        // send dirty bitmaps sends it (`qemu_savevm_send_postcopy_advise`).
        Command::SwitchoverStart | Command::PostcopyAdvise(None) => {}
        other => {
            let found = format!("command {}", other.name());
            return Err(input.error("a command of a precopy stream", found));
        }
    }
    Ok(())
}

fn unknown(state: &MigrationState, input: &Input<'_>, header: &SectionHeader) -> DecodeError {
    let devices = state.host.devices.iter().map(|entry| entry.idstr.as_str());
    let known: Vec<&str> = ["ram", GlobalState::NAME].into_iter().chain(devices).collect();
    let found = format!("section {:?} instance {}", header.idstr.as_str(), header.instance_id);
    input.error(format!("one of the sections {}", known.join(", ")), found)
}

fn name(record: &Record) -> String {
    match record {
        Record::Eof => "the end".into(),
        Record::Start(header) | Record::Full(header) => header.label(),
        Record::Part { section_id } | Record::End { section_id } => {
            format!("a piece of section number {section_id}")
        }
        Record::Configuration(_) => "a second configuration".into(),
        Record::VmDescription(_) => "the VM description".into(),
        Record::Command(command) => format!("command {}", command.name()),
    }
}
