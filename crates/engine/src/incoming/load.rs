//! Reading a stream: `migration/savevm.c`, `qemu_loadvm_state`.

use std::collections::HashMap;

use wire::ram::RAM_VERSION;
use wire::vmstate::{self, GlobalState, VmState};
use wire::{
    Command, Configuration, DecodeError, Decoder, FileHeader, Footer, Record, ReturnMessage,
    SectionHeader, Wire,
};

use crate::channel::ChannelReader;
use crate::error::MigrationError;
use crate::host::{Restore, RunState};
use crate::state::MigrationState;

use super::Answers;
use super::multifd::Connections;
use super::ram::RamLoad;

/// What a stream brought besides memory: nothing of it is in place yet.
pub(super) struct Contents {
    /// By the name of the device.
    pub(super) devices: Vec<(String, Box<dyn Restore>)>,
    pub(super) at_source: RunState,
}

type Input<'a> = Decoder<ChannelReader<'a>>;

/// Reads a stream to its end.
pub(super) fn load(
    state: &MigrationState,
    input: &mut Input<'_>,
    answers: &mut Answers<'_>,
    multifd: Option<Connections>,
) -> Result<Contents, MigrationError> {
    FileHeader::decode(input)?;
    match Record::decode(input)? {
        Record::Configuration(configuration) => check_configuration(state, input, &configuration)?,
        other => return Err(input.error("the configuration first", name(&other)).into()),
    }
    let mut loading = Loading {
        ram: RamLoad::new(state, multifd),
        numbers: HashMap::new(),
        // A stream without the section comes from a machine that runs.
        contents: Contents { devices: Vec::new(), at_source: RunState::Running },
    };
    loop {
        match Record::decode(input)? {
            Record::Eof => break,
            Record::Start(header) => loading.begin(state, input, header, true)?,
            Record::Full(header) => loading.begin(state, input, header, false)?,
            Record::Part { section_id } => loading.go_on(state, input, section_id, false)?,
            Record::End { section_id } => loading.go_on(state, input, section_id, true)?,
            Record::Command(command) => obey(state, input, answers, command)?,
            other @ (Record::Configuration(_) | Record::VmDescription(_)) => {
                let expected = "a section, a command or the end";
                return Err(input.error(expected, name(&other)).into());
            }
        }
        loading.ram.count(state, input.offset());
    }
    loading.ram.finish(state, input)?;
    // A source that sends no description closes the channel instead.
    if input.peek_u8()?.is_some() {
        match Record::decode(input)? {
            Record::VmDescription(_) => {}
            other => {
                return Err(input.error("the VM description or the end", name(&other)).into());
            }
        }
    }
    Ok(loading.contents)
}

struct Loading {
    ram: RamLoad,
    /// The name of each section number that was given out.
    numbers: HashMap<u32, SectionHeader>,
    contents: Contents,
}

impl Loading {
    /// A section's START or FULL.
    fn begin(
        &mut self,
        state: &MigrationState,
        input: &mut Input<'_>,
        header: SectionHeader,
        in_pieces: bool,
    ) -> Result<(), MigrationError> {
        if let Some(other) = self.numbers.get(&header.section_id) {
            let taken = format!("a section number other than that of {}", other.label());
            return Err(input.error(taken, header.label()).into());
        }
        let section_id = header.section_id;
        match (header.idstr.as_str(), header.instance_id, in_pieces) {
            ("ram", 0, true) => {
                if header.version_id != RAM_VERSION {
                    let expected = format!("version {RAM_VERSION} of the section");
                    let found = format!("version {}", header.version_id);
                    return Err(input.error(expected, found).into());
                }
                self.ram.load(state, input)?;
            }
            (GlobalState::NAME, 0, false) => {
                let global: GlobalState = vmstate::load(input, header.version_id)?;
                let runstate = global
                    .runstate()
                    .map_err(|error| input.error("a run state", error.to_string()))?;
                self.contents.at_source = RunState::of_source(runstate)
                    .ok_or_else(|| input.error("a run state of QAPI", format!("{runstate:?}")))?;
            }
            (idstr, instance_id, false) => {
                let Some(entry) = state.host.find_device(idstr, instance_id) else {
                    return Err(unknown(state, input, &header).into());
                };
                let restore = entry.device.clone().load(input, header.version_id)?;
                self.contents.devices.push((idstr.to_owned(), restore));
            }
            _ => return Err(unknown(state, input, &header).into()),
        }
        Footer::expect(input, section_id)?;
        self.numbers.insert(section_id, header);
        Ok(())
    }

    /// A section's PART or END.
    fn go_on(
        &mut self,
        state: &MigrationState,
        input: &mut Input<'_>,
        section_id: u32,
        last: bool,
    ) -> Result<(), MigrationError> {
        // Only `ram` is sent in pieces, and nothing else is let through its START.
        match self.numbers.get(&section_id) {
            Some(header) if header.idstr.as_str() == "ram" => {
                input.set_section(Some(&header.label()));
            }
            _ => {
                let found = format!("section number {section_id}");
                let expected = "the number of a section that was begun";
                return Err(input.error(expected, found).into());
            }
        }
        self.ram.load(state, input)?;
        Footer::expect(input, section_id)?;
        if last {
            self.ram.end(state, input)?;
        }
        Ok(())
    }
}

fn check_configuration(
    state: &MigrationState,
    input: &Input<'_>,
    configuration: &Configuration,
) -> Result<(), DecodeError> {
    let Configuration { machine, target_page_bits, capabilities, uuid: _ } = configuration;
    let ours = &state.host.machine;
    if machine != ours {
        let expected = format!("machine type {ours:?}");
        return Err(input.error(expected, format!("machine type {machine:?}")));
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
    answers: &mut Answers<'_>,
    command: Command,
) -> Result<(), DecodeError> {
    match command {
        // A file has no way back, and nobody waits at its other end.
        Command::OpenReturnPath => answers.open = answers.channel.is_two_way(),
        Command::Ping(value) => {
            let answered = answers.say(state, ReturnMessage::Pong(value));
            answered.map_err(|error| {
                input.error("a source that reads the return path", error.to_string())
            })?;
        }
        Command::SwitchoverStart => {}
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
