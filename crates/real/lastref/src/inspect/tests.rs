//! What `inspect` prints of streams that are cut or damaged anywhere.

use serde_json::Value;
use wire::parser::Parser;
use wire::ram::{BlockEntry, BlockList, BlockRef, PageOffset, RamRecord};
use wire::vmstate::{self, CpuTimers, GlobalState, VmState};
use wire::{
    Command, Configuration, FileHeader, Footer, IdStr, Record, SectionHeader, VmDescription, Wire,
};

use super::report::Report;
use super::survey::{MAX_DEVICE_STATE, MAX_RECORDS, Survey};
use super::{json, tree};

const DESCRIPTION: &str = concat!(
    r#"{"devices":[{"name":"timer","instance_id":0,"vmsd_name":"timer","version":2,"fields":["#,
    r#"{"name":"cpu_ticks_offset","type":"int64","size":8},"#,
    r#"{"name":"rest","type":"struct","struct":{"fields":["#,
    r#"{"name":"half","array_len":4,"type":"uint16","size":2}]},"size":8},"#,
    r#"{"name":"cpu_clock_offset","type":"int64","size":8}]}]}"#,
);

/// A stream in the making, from the pieces of `wire`: the package of this program has no other
/// maker of streams.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
}

impl Stream {
    fn head() -> Stream {
        let configuration = Configuration { machine: "none".into(), ..Configuration::default() };
        Stream::default().piece(&FileHeader).piece(&Record::Configuration(configuration))
    }

    fn begun() -> Stream {
        Stream::head().command(Command::OpenReturnPath).start("ram", 2).blocks().end_of_part(2)
    }

    fn piece(mut self, piece: &impl Wire) -> Stream {
        piece.encode(&mut self.bytes);
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Stream {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn command(self, command: Command) -> Stream {
        self.piece(&Record::Command(command))
    }

    fn start(self, name: &str, section_id: u32) -> Stream {
        self.piece(&Record::Start(header(name, section_id, 4)))
    }

    fn full(self, name: &str, section_id: u32, version_id: u32) -> Stream {
        self.piece(&Record::Full(header(name, section_id, version_id)))
    }

    fn part(self, section_id: u32) -> Stream {
        self.piece(&Record::Part { section_id })
    }

    fn end(self, section_id: u32) -> Stream {
        self.piece(&Record::End { section_id })
    }

    /// The list of the one block, of 16 pages.
    fn blocks(self) -> Stream {
        let block = BlockEntry { idstr: name("ram"), used_length: 16 << 12 };
        let list = BlockList::new([block]).expect("whole pages");
        self.piece(&RamRecord::BlockList(list))
    }

    fn page(self, number: u64, byte: u8) -> Stream {
        let offset = PageOffset::containing(number << 12);
        let block = BlockRef::Named(name("ram"));
        self.piece(&RamRecord::Page { offset, block }).raw(&[byte; 4096])
    }

    fn end_mark(self) -> Stream {
        self.piece(&RamRecord::EndOfSection)
    }

    fn footer(self, section_id: u32) -> Stream {
        self.piece(&Footer { section_id })
    }

    fn end_of_part(self, section_id: u32) -> Stream {
        self.end_mark().footer(section_id)
    }

    fn pages(self) -> Stream {
        self.part(2).page(0, 0xa5).page(1, 0x5a).end_of_part(2)
    }

    fn ended(self) -> Stream {
        self.end(2).end_of_part(2)
    }

    fn state<S: VmState + Clone>(mut self, state: &S) -> Stream {
        vmstate::save(state, &mut self.bytes);
        self
    }

    fn devices(self) -> Stream {
        let timer = self.full("timer", 3, 2).state(&CpuTimers::default()).footer(3);
        let state = GlobalState::new("prelaunch").expect("a short text");
        timer.full("globalstate", 4, 1).state(&state).footer(4)
    }

    fn eof(self) -> Stream {
        self.piece(&Record::Eof)
    }
}

fn name(text: &str) -> IdStr {
    IdStr::new(text).expect("a short name")
}

fn header(idstr: &str, section_id: u32, version_id: u32) -> SectionHeader {
    SectionHeader { section_id, idstr: name(idstr), instance_id: 0, version_id }
}

fn sample() -> Vec<u8> {
    let stream = Stream::begun().pages().pages().ended().command(Command::SwitchoverStart);
    let description = VmDescription::new(DESCRIPTION.into()).expect("JSON");
    stream.devices().eof().piece(&Record::VmDescription(description)).bytes
}

/// Prints `bytes` both ways.
fn printed(bytes: &[u8]) -> (String, Value, Option<String>) {
    let report = Report::of(Survey::of(&mut Parser::new(bytes)), None);
    let (mut text, mut object) = (Vec::new(), Vec::new());
    tree::print(&report, &mut text).expect("written to memory");
    json::print(&report, &mut object).expect("written to memory");
    let text = String::from_utf8(text).expect("text");
    (text, serde_json::from_slice(&object).expect("JSON"), report.failure())
}

#[test]
fn the_tree_has_each_record_with_its_place() {
    let (text, object, failure) = printed(&sample());
    assert_eq!(failure, None);
    let expected = [
        "plain stream, whole, 17062 bytes",
        "        offset           size",
        "             0              8  QEVM version 3",
        "             8              9  configuration: machine \"none\"",
        "            17              5  command OPEN_RETURN_PATH",
        "            22             50  START: \"ram\" instance 0, version 4, id 2",
        "                                 \
             RAM block \"ram\": 64.00 KiB, 4 pages, 0 zero, 14 holes, 2 doubled",
        "            72          16468  PART × 2: \"ram\" instance 0, version 4, id 2",
        "         16540             18  END: \"ram\" instance 0, version 4, id 2",
        "         16558              5  command SWITCHOVER_START",
        "         16563             48  FULL: \"timer\" instance 0, version 2, id 3",
        "         16582              8    cpu_ticks_offset (int64) = 0",
        "         16590                   rest:",
        "         16590              8      half (uint16[4]) = 0x0 0x0 0x0 0x0",
        "         16598              8    cpu_clock_offset (int64) = 0",
        "         16611            134  FULL: \"globalstate\" instance 0, version 1, id 4",
        "                                 not in the VM description",
        "         16745              1  EOF",
        "         16746            316  VM description",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    let records = object["records"].as_array().expect("a list");
    let half = &records[7]["fields"][1]["fields"][0];
    assert_eq!(half["offset"], 16590);
    assert_eq!(half["value"], serde_json::json!([0, 0, 0, 0]));
    assert_eq!(object["ram"][0]["holes"], 14);
    assert_eq!(object["error-desc"], Value::Null);
}

#[test]
fn a_stream_cut_at_any_byte_is_shown_up_to_there() {
    let sample = sample();
    // Every page is as good as another.
    for len in (0..200).chain(16_500..sample.len()) {
        let (text, object, failure) = printed(&sample[..len]);
        let after_eof = len == 16_746;
        assert_eq!(failure.is_some(), !after_eof, "cut at {len}: {text}");
        assert_eq!(object["whole"], after_eof, "cut at {len}");
        assert!(object["size"].as_u64().is_some_and(|size| size <= len as u64), "cut at {len}");
        if len > 72 {
            assert!(text.contains("RAM block \"ram\""), "cut at {len}: {text}");
        }
    }
}

#[test]
fn a_flip_of_any_byte_is_shown_as_text_and_as_json() {
    let sample = sample();
    for at in (0..200).chain(16_500..sample.len()) {
        for flip in [0xff, 0x01, 0x80, 0x04] {
            let mut bytes = sample.clone();
            bytes[at] ^= flip;
            printed(&bytes);
        }
    }
}

/// [`sample`] without footers.
fn sample_without_footers() -> Vec<u8> {
    let timer = CpuTimers::default();
    let ram = Stream::head().start("ram", 2).blocks().end_mark();
    let ram = ram.part(2).page(0, 1).end_mark().end(2).end_mark();
    let timer = ram.full("timer", 3, 2).state(&timer).command(Command::SwitchoverStart);
    let again = timer.full("timer", 4, 2).state(&CpuTimers::default()).eof();
    // The first timer as the one field of an old handler.
    let first = concat!(
        r#"[{"name":"timer","instance_id":0,"size":24,"#,
        r#""fields":[{"name":"data","size":24,"type":"buffer"}]},"#,
    );
    let twice = DESCRIPTION.replacen('[', first, 1);
    let description = VmDescription::new(twice).expect("JSON");
    again.piece(&Record::VmDescription(description)).bytes
}

#[test]
fn sections_without_footers_are_told_apart_by_the_description() {
    let bytes = sample_without_footers();
    let (text, object, failure) = printed(&bytes);
    assert_eq!(failure, None, "{text}");
    let names: Vec<&str> = object["records"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|record| record["record"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        names,
        [
            "header",
            "CONFIGURATION",
            "START",
            "PART",
            "END",
            "FULL",
            "COMMAND",
            "FULL",
            "EOF",
            "VMDESCRIPTION"
        ]
    );
    assert_eq!(object["records"][7]["fields"][0]["name"], "cpu_ticks_offset");
    for len in 4_300..bytes.len() {
        let (text, _, failure) = printed(&bytes[..len]);
        assert!(failure.is_some(), "cut at {len}: {text}");
    }
    for at in (0..100).chain(4_200..bytes.len()) {
        for flip in [0xff, 0x01, 0x04] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            printed(&bytes);
        }
    }
}

#[test]
fn parts_of_sections_that_take_turns_are_one_record() {
    let mut stream = Stream::begun().start("bits", 9).raw(b"x").footer(9);
    for _ in 0..3 {
        stream = stream.part(2).end_of_part(2).part(9).raw(b"yy").footer(9);
    }
    let (text, object, _) = printed(&stream.ended().eof().bytes);
    let parts = &object["records"][5];
    assert_eq!((&parts["record"], &parts["size"]), (&"PART".into(), &90.into()));
    let of = |place: usize| {
        let section = &parts["sections"][place];
        (section["name"].clone(), section["records"].clone(), section["size"].clone())
    };
    assert_eq!(of(0), ("ram".into(), 3.into(), 54.into()));
    assert_eq!(of(1), ("bits".into(), 3.into(), 36.into()));
    assert!(text.contains("PART × 6 of 2 sections"), "{text}");
    assert!(text.contains("× 3, 36 bytes: \"bits\" instance 0, version 4, id 9"), "{text}");
}

#[test]
fn what_is_kept_of_a_stream_has_limits() {
    let mut stream = Stream::head();
    for _ in 0..=MAX_RECORDS {
        stream = stream.command(Command::PostcopyListen);
    }
    // A section that is not listed has no place for its payload.
    let bytes = stream.devices().eof().bytes;
    let survey = Survey::of(&mut Parser::new(bytes.as_slice()));
    assert_eq!((survey.entries.len(), survey.unlisted), (MAX_RECORDS, 6));

    let large = vec![0; MAX_DEVICE_STATE + 1];
    let stream = Stream::head().full("large", 1, 1).raw(&large).footer(1).devices();
    let (text, object, failure) = printed(&stream.eof().bytes);
    assert_eq!(failure, None);
    assert!(text.contains("not kept: more than 67108864 bytes of devices"), "{text}");
    assert_eq!(object["records"][2].get("payload"), None);
    assert!(object["records"][3]["payload"].is_string());
}
