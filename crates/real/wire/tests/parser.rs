//! The pull parser over whole streams: all events of one, and what becomes of it when it is cut or
//! damaged anywhere.

use test_support::stream::Stream;
use wire::layout::{Layout, Piece, Value};
use wire::parser::{Event, Parser, SectionKind};
use wire::ram::RamFlags;
use wire::vmstate::{CpuTimers, GlobalState, VmState};
use wire::{
    Command, Configuration, DecodeError, FileHeader, IdStr, PageSizes, Record, TARGET_PAGE_SIZE,
    VmDescription, Wire, mapped_ram::MappedRam,
};

const DESCRIPTION: &str = concat!(
    r#"{"page_size":4096,"devices":["#,
    r#"{"name":"timer","instance_id":0,"vmsd_name":"timer","version":2,"fields":["#,
    r#"{"name":"cpu_ticks_offset","type":"int64","size":8},"#,
    r#"{"name":"unused","type":"unused_buffer","size":8},"#,
    r#"{"name":"cpu_clock_offset","type":"int64","size":8}]},"#,
    r#"{"name":"mystery","instance_id":0,"vmsd_name":"mystery","version":1,"fields":["#,
    r#"{"name":"list","type":"uint16 equal","array_len":2,"size":2},"#,
    r#"{"name":"part","array_len":2,"type":"struct","struct":{"vmsd_name":"part","version":1,"#,
    r#""fields":[{"name":"on","type":"bool","size":1}]},"size":1},"#,
    r#"{"name":"null","index":0,"type":"struct","struct":{},"size":1}],"#,
    r#""subsections":[{"vmsd_name":"mystery/more","version":3,"fields":["#,
    r#"{"name":"odd","type":"odd","fields":[],"fields":[],"size":3}]}]}]}"#,
);

/// The payload of `mystery`, with the bytes of its footer in it.
const MYSTERY: &[u8] = b"\0\x01\xff\xff\0\x01\x30\x05\x0cmystery/more\0\0\0\x03\x7e\0\0";

/// A stream with a record of each kind.
fn sample() -> Vec<u8> {
    let package = Stream::default()
        .command(Command::PostcopyListen)
        .full("timer", 3, CpuTimers::VERSION)
        .state(&CpuTimers { cpu_ticks_offset: -7, ..CpuTimers::default() })
        .footer(3)
        .command(Command::PostcopyRun)
        .bytes;
    Stream::head()
        .open_return_path()
        .command(Command::Ping(1))
        .command(Command::PostcopyAdvise(Some(PageSizes { summary: 0x20_1000, target: 0x1000 })))
        .start("ram", 2)
        .raw(b"\0\0\0\0\0\0\x50\x04\x03ram\0\0\0\0\0\0\x30\0\0\0\0\0\0\x20\0\0")
        .raw(b"\x03rom\0\0\0\0\0\0\x20\0")
        .word(0, RamFlags::MULTIFD_FLUSH)
        .end_of_part(2)
        .start("bits", 9)
        .raw(b"\x7e\0\0\0\x09\x7e\0\0\0\x08\0\x06\0\x02")
        .footer(9)
        .part(2)
        .page("ram", 0x1000, 0xa5)
        .raw(b"\0\0\0\0\0\0\x20\x22\0")
        .raw(b"\0\0\0\0\0\0\x10\x60\x01\0\x03\x00\x01x")
        .end_of_part(2)
        .command(Command::SwitchoverStart)
        .command(Command::Packaged(package.len() as u32))
        .raw(&package)
        .end(2)
        .end_of_part(2)
        .full("mystery", 5, 1)
        .raw(MYSTERY)
        .footer(5)
        .full(GlobalState::NAME, 6, 1)
        .state(&GlobalState::new("running").expect("a short text"))
        .footer(6)
        .eof()
        .piece(&Record::VmDescription(VmDescription::new(DESCRIPTION.into()).expect("JSON")))
        .raw(b"more")
        .bytes
}

/// Writes down an event, without what borrows from the parser.
fn note(event: &Event<'_>) -> String {
    match event {
        Event::Section { kind, header } => format!("{kind:?} {}", header.idstr),
        Event::Pages { block, offset, run } => {
            assert!(run.pages().all(|page| page.len() == TARGET_PAGE_SIZE));
            let first: Vec<u8> = run.pages().map(|page| page[0]).collect();
            format!("pages {block} {:#x} {first:x?}", offset.get())
        }
        Event::Zero { block, offset } => format!("zero {block} {:#x}", offset.get()),
        Event::Delta { block, offset, bytes } => {
            format!("delta {block} {:#x} {}", offset.get(), bytes.len())
        }
        Event::Payload(bytes) => format!("payload {}", bytes.len()),
        Event::Command(command) => command.name().to_owned(),
        Event::Configuration(configuration) => format!("configuration {}", configuration.machine),
        Event::VmDescription(_) => "description".to_owned(),
        Event::Trailing(bytes) => format!("trailing {}", bytes.len()),
        Event::Bitmap { block, bitmap } => format!("bitmap {block} {bitmap:?}"),
        other => format!("{other:?}"),
    }
}

/// Reads all events of `bytes`, and checks that an error is the last.
fn read(bytes: &[u8]) -> (Vec<String>, Option<DecodeError>) {
    let mut parser = Parser::new(bytes);
    let mut notes = Vec::new();
    loop {
        match parser.next() {
            Ok(Some(event)) => notes.push(note(&event)),
            Ok(None) => return (notes, None),
            Err(error) => {
                assert!(error.offset <= bytes.len() as u64, "{error}");
                assert!(parser.offset() <= bytes.len() as u64, "{error}");
                assert!(parser.next().expect("no second error").is_none());
                return (notes, Some(error));
            }
        }
        // Whatever it is, it cannot go on for ever.
        assert!(notes.len() <= 2 * bytes.len() + 8, "more events than bytes");
    }
}

#[test]
fn every_event_of_a_stream_comes_in_order() {
    let (notes, error) = read(&sample());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(
        notes,
        [
            "FileHeader",
            "configuration none",
            "OPEN_RETURN_PATH",
            "PING",
            "POSTCOPY_ADVISE",
            "Start ram",
            "Block { block: 0 }",
            "Block { block: 1 }",
            "MultifdFlush",
            "SectionEnd",
            "Start bits",
            "payload 14",
            "SectionEnd",
            "Part ram",
            "pages 0 0x1000 [a5]",
            "zero 0 0x2000",
            "delta 0 0x1000 3",
            "SectionEnd",
            "SWITCHOVER_START",
            "PACKAGED",
            "POSTCOPY_LISTEN",
            "Full timer",
            "payload 24",
            "SectionEnd",
            "POSTCOPY_RUN",
            "PackageEnd",
            "End ram",
            "SectionEnd",
            "Full mystery",
            "payload 28",
            "SectionEnd",
            "Full globalstate",
            "payload 104",
            "SectionEnd",
            "Eof",
            "description",
            "trailing 4",
        ]
    );
    let mut parser = Parser::new(sample().leak() as &[u8]);
    while parser.next().expect("a good stream").is_some() {}
    let sizes: Vec<_> = parser.blocks().iter().map(|block| block.page_size).collect();
    assert_eq!(sizes, [Some(0x20_0000), None]);
}

#[test]
fn pages_in_a_row_come_together_up_to_the_end_of_their_block() {
    let page = |offset: u64, byte: u8| {
        let word = (offset | 0x28).to_be_bytes();
        [&word[..], &[byte; TARGET_PAGE_SIZE]].concat()
    };
    let stream = Stream::begun().part(2).page("ram", 0xd000, 1);
    let stream = stream.raw(&page(0xe000, 2)).raw(&page(0xf000, 3)).raw(&page(0x10000, 4));
    let (notes, error) = read(&stream.bytes);
    assert_eq!(notes.last().expect("events"), "pages 0 0xd000 [1, 2, 3]");
    let error = error.expect("a page behind the block").to_string();
    assert!(error.contains("expected a page below 0x10000"), "{error}");
}

#[test]
fn a_stream_cut_at_any_byte_gives_all_before_the_cut() {
    let sample = sample();
    let (whole, _) = read(&sample);
    for len in 0..sample.len() {
        let (notes, error) = read(&sample[..len]);
        let full = notes.len().saturating_sub(1);
        let same = notes.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        assert!(same >= full, "cut at {len}: {notes:?}");
        // Without an error only at a place where a stream may end: after EOF.
        if error.is_none() {
            assert!(notes.iter().any(|note| note == "Eof"), "cut at {len}: {notes:?}");
        } else if let Some(error) = error {
            assert!(error.is_end_of_stream(), "cut at {len}: {error}");
        }
    }
}

#[test]
fn a_flip_of_any_byte_does_no_harm() {
    let sample = sample();
    let mut refused = 0;
    for at in 0..sample.len() {
        for flip in [0xff, 0x01, 0x80, 0x20] {
            let mut bytes = sample.clone();
            bytes[at] ^= flip;
            refused += usize::from(read(&bytes).1.is_some());
        }
    }
    assert!(refused > 500, "{refused} refused");
}

#[test]
fn a_flip_of_any_byte_of_a_description_or_payload_does_no_harm() {
    let decode = |json: &[u8], payload: &[u8]| {
        let mut record = vec![6];
        record.extend_from_slice(&(json.len() as u32).to_be_bytes());
        record.extend_from_slice(json);
        let mut stream = b"QEVM\0\0\0\x03\0".to_vec();
        stream.extend_from_slice(&record);
        let mut parser = Parser::new(stream.as_slice());
        while let Some(event) = parser.next().expect("a stream") {
            if let Event::VmDescription(description) = event {
                let Ok(layout) = Layout::parse(&description) else { return 0 };
                for device in &layout.devices {
                    let mut pieces = 0;
                    let _ = device.state.decode(payload, &mut |piece| {
                        if let Piece::Field { field, bytes, .. } = piece {
                            pieces += field.values(bytes).count();
                        }
                    });
                    assert!(pieces < 1000);
                }
                return layout.devices.len();
            }
        }
        0
    };
    assert_eq!(decode(DESCRIPTION.as_bytes(), MYSTERY), 2);
    for at in 0..DESCRIPTION.len() {
        for new in [b'0', b'9', b'{', b'"', 0xff] {
            let mut json = DESCRIPTION.as_bytes().to_vec();
            json[at] = new;
            decode(&json, MYSTERY);
        }
        decode(&DESCRIPTION.as_bytes()[..at], MYSTERY);
    }
    for at in 0..MYSTERY.len() {
        let mut payload = MYSTERY.to_vec();
        payload[at] ^= 0xff;
        decode(DESCRIPTION.as_bytes(), &payload);
        decode(DESCRIPTION.as_bytes(), &MYSTERY[..at]);
    }
}

#[test]
fn fields_are_named_and_valued_by_the_description() {
    let description = VmDescription::new(DESCRIPTION.into()).expect("JSON");
    let layout = Layout::parse(&description).expect("a description");
    assert_eq!(layout.page_size, Some(4096));
    assert!(layout.configuration.is_none());
    let mut pieces = Vec::new();
    let state = &layout.devices[1].state;
    state
        .decode(MYSTERY, &mut |piece| {
            pieces.push(match piece {
                Piece::Field { field, at, bytes } => {
                    let values: Vec<Value<'_>> = field.values(bytes).collect();
                    format!("{at} {} {values:?}", field.name)
                }
                Piece::Struct { field, index, at } => format!("{at} {} {index:?}", field.name),
                Piece::Subsection { name, version, at } => format!("{at} {name} {version}"),
                Piece::Undescribed { at, bytes } => format!("{at} {bytes:?}"),
                Piece::End => "end".to_owned(),
            });
        })
        .expect("a payload as described");
    assert_eq!(
        pieces,
        [
            "0 list [Unsigned(1), Unsigned(65535)]",
            "4 part Some(0)",
            "4 on [Bool(false)]",
            "end",
            "5 part Some(1)",
            "5 on [Bool(true)]",
            "end",
            "6 null Some(0)",
            "6 [48]",
            "end",
            "7 mystery/more 3",
            "25 odd [Bytes([126, 0, 0])]",
            "end",
        ]
    );
    let mut longer = MYSTERY.to_vec();
    longer.push(0);
    assert_eq!(
        state.decode(&longer, &mut |_| ()).expect_err("a byte too many").to_string(),
        "at byte 28: expected the end of the section, by its description, found 1 bytes more"
    );
    assert_eq!(
        state.decode(&MYSTERY[..3], &mut |_| ()).expect_err("too short").to_string(),
        "at byte 0: expected field `list` of 4 bytes, found 3 bytes before the footer"
    );
}

#[test]
fn a_description_has_a_bounded_number_of_objects_and_a_walk_of_pieces() {
    let many = format!(r#"{{"devices":[{}{{}}]}}"#, "{},".repeat(wire::layout::MAX_DESCRIBED));
    let error = Layout::parse(&VmDescription::new(many).expect("JSON")).expect_err("too many");
    assert!(error.to_string().starts_with("more than 131072 objects"), "{error}");
    let long = format!(r#"{{"devices":[{{"name":"{}"}}]}}"#, "n".repeat(1025));
    let error = Layout::parse(&VmDescription::new(long).expect("JSON")).expect_err("too long");
    assert!(error.to_string().starts_with("a name of 1025 bytes"), "{error}");
    let bomb = concat!(
        r#"{"devices":[{"name":"a","fields":[{"name":"b","type":"struct","array_len":4294967295,"#,
        r#""size":0,"struct":{"fields":[{"name":"c","type":"struct","array_len":4294967295,"#,
        r#""size":0,"struct":{"fields":[]}}]}}]}]}"#,
    );
    let layout = Layout::parse(&VmDescription::new(bomb.into()).expect("JSON")).expect("JSON");
    let error = layout.devices[0].state.decode(&[], &mut |_| ()).expect_err("a bomb");
    assert_eq!(error.expected, "at most 256 fields in a section of 0 bytes");
}

/// A file as QEMU 10 writes it: a block of 3 pages, of which pages 0 and 2 are in the file, and one
/// of 1 page that is empty.
fn mapped() -> Vec<u8> {
    let configuration = Configuration {
        machine: "none".into(),
        capabilities: Some(vec![IdStr::new("mapped-ram").expect("a name")]),
        ..Configuration::default()
    };
    let mut file = Stream::default()
        .piece(&FileHeader)
        .piece(&Record::Configuration(configuration))
        .start("ram", 2)
        .word(0x4000, RamFlags::MEM_SIZE)
        .bytes;
    let mut block = |name: &[u8], length: u64, bitmap: u8, pages_offset: u64| {
        file.extend_from_slice(name);
        file.extend_from_slice(&length.to_be_bytes());
        let bitmap_offset = file.len() as u64 + 28;
        MappedRam { bitmap_offset, pages_offset }.encode(&mut file);
        file.extend_from_slice(&[bitmap, 0, 0, 0, 0, 0, 0, 0]);
        file.resize(pages_offset as usize, 0);
        for page in 0..length / 0x1000 {
            let byte = if bitmap >> page & 1 == 1 { 0x10 + page as u8 } else { 0 };
            file.resize(file.len() + 0x1000, byte);
        }
    };
    block(b"\x03ram", 0x3000, 0b101, 0x1000);
    block(b"\x03rom", 0x1000, 0, 0x5000);
    Stream::default().raw(&file).end_of_part(2).end(2).end_of_part(2).eof().bytes
}

#[test]
fn a_mapped_ram_file_gives_the_pages_of_its_bitmap() {
    let (notes, error) = read(&mapped());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(
        notes[2..],
        [
            "Start ram",
            "Block { block: 0 }",
            "bitmap 0 [5, 0, 0, 0, 0, 0, 0, 0]",
            "pages 0 0x0 [10]",
            "pages 0 0x2000 [12]",
            "Block { block: 1 }",
            "bitmap 1 [0, 0, 0, 0, 0, 0, 0, 0]",
            "SectionEnd",
            "End ram",
            "SectionEnd",
            "Eof",
        ]
    );
    let bytes = mapped();
    let mut parser = Parser::new(bytes.as_slice()).without_mapped_pages();
    while let Some(event) = parser.next().expect("a good file") {
        assert!(!matches!(event, Event::Pages { .. }));
    }
}

#[test]
fn a_cut_or_damaged_mapped_ram_file_does_no_harm() {
    let file = mapped();
    for len in (0..0x1000).chain((0x1000..file.len()).step_by(97)) {
        let (_, error) = read(&file[..len]);
        assert!(error.is_none_or(|error| error.is_end_of_stream()), "cut at {len}");
    }
    for at in (0..0x100).chain(0x4000..0x4100) {
        for flip in [0xff, 0x01, 0x80] {
            let mut bytes = file.clone();
            bytes[at] ^= flip;
            read(&bytes);
        }
    }
}

#[test]
fn what_no_stream_has_is_refused_where_it_is() {
    let begun = || Stream::begun().part(2);
    for (stream, words) in [
        (Stream::head().part(7), "the id of a section that a START record announced, found id 7"),
        (Stream::begun().start("ram", 2), "a new section, found section \"ram\" (id 2) again"),
        (begun().page("rom", 0, 1), "a page of a RAM block in the list, found a page of \"rom\""),
        (
            begun().page("ram", 1 << 20, 1),
            "a page below 0x10000 in RAM block \"ram\", found 0x100000",
        ),
        (begun().word(0, RamFlags::MEM_SIZE), "one list of RAM blocks, found a second list"),
        (Stream::head().configuration("none"), "a configuration that is not the first record"),
        (begun().raw(b"\0\0\0\0\0\0\0\x22\0"), "CONTINUE without a block before"),
        (
            Stream::head().piece(&Record::VmDescription(VmDescription::default())),
            "a record, found a VM description before EOF",
        ),
        (
            Stream::head().command(Command::Packaged(9)).command(Command::Packaged(1)),
            "a record of a package, found a package in the one that ends at byte",
        ),
        (
            Stream::head().command(Command::Packaged(1)).command(Command::PostcopyListen),
            "the end of the package at byte",
        ),
    ] {
        let (_, error) = read(&stream.bytes);
        let error = error.expect(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    let start = Event::Section {
        kind: SectionKind::Start,
        header: &test_support::stream::header("ram", 2, 4),
    };
    assert_eq!(note(&start), "Start ram");
}
