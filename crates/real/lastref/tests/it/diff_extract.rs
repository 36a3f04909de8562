//! `lastref diff` and `lastref extract`: pages and fields, from files and through pipes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use test_support::site::Site;
use test_support::stream::{RAM, Stream};
use wire::ram::RamFlags;
use wire::vmdesc::Builder;
use wire::vmstate::{self, CpuTimers, VmState as _};
use wire::{Configuration, IdStr, Record, TARGET_PAGE_SIZE};

use crate::inspect::{stderr, stdout};

fn lastref(arguments: &[&str], files: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastref"));
    command.args(arguments).args(files).output().expect("lastref runs")
}

/// Runs a command whose FILE is a pipe from `cat`.
fn through_a_pipe(arguments: &[&str], file: &Path) -> Output {
    let mut cat = Command::new("cat").arg(file).stdout(Stdio::piped()).spawn().expect("cat runs");
    let pipe = cat.stdout.take().expect("its output is a pipe");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastref"));
    let output = command.args(arguments).stdin(pipe).output().expect("lastref runs");
    cat.wait().expect("cat ends");
    output
}

/// A stream with these parts of `ram`, and a timer.
fn stream(ram: impl FnOnce(Stream) -> Stream, ticks: i64) -> Vec<u8> {
    let timers = CpuTimers { cpu_ticks_offset: ticks, ..CpuTimers::default() };
    let configuration = Configuration { machine: "none".into(), ..Configuration::default() };
    let mut builder = Builder::new(&configuration);
    let name = IdStr::new("timer").expect("a name");
    builder.device(&name, 0, vmstate::save(&timers, &mut Vec::new()));
    let stream = Stream::begun().part(RAM);
    let stream = ram(stream).end_of_part(RAM).ended().full("timer", 3, CpuTimers::VERSION);
    let description = Record::VmDescription(builder.finish().expect("a description"));
    stream.state(&timers).footer(3).eof().piece(&description).bytes
}

fn write(site: &Site, name: &str, bytes: &[u8]) -> PathBuf {
    let path = site.scratch().join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

#[test]
fn streams_with_the_same_memory_and_devices_do_not_differ() {
    let site = Site::new(0);
    let a = write(&site, "a", &stream(|s| s.page("ram", 0x1000, 5), 7));
    // Another order, a page that came twice, and zeros that are sent as a page.
    let twice = |s: Stream| s.page("ram", 0x2000, 0).page("ram", 0x1000, 9).page("ram", 0x1000, 5);
    let b = write(&site, "b", &stream(twice, 7));
    let output = lastref(&["diff"], &[&a, &b]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), String::new()));
    let output = through_a_pipe(&["diff", "-", b.to_str().expect("text")], &a);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), String::new()));
}

#[test]
fn pages_and_fields_that_differ_are_named() {
    let site = Site::new(0);
    let a = write(&site, "a", &stream(|s| s.page("ram", 0, 1).page("ram", 0x1000, 5), 7));
    let b = |s: Stream| {
        // A page becomes zeros again.
        let s = s.page("ram", 0, 1).page("ram", 0x2000, 1).page("ram", 0xf000, 1);
        s.word(0, RamFlags::ZERO).raw(b"\x03ram\0")
    };
    let b = write(&site, "b", &stream(b, -1));
    let output = lastref(&["diff"], &[&a, &b]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stdout(&output),
        "RAM block \"ram\": 4 pages differ: 0x0..0x3000, 0xf000..0x10000\n\
         device \"timer\" instance 0: cpu_ticks_offset: 7 and -1\n"
    );
    assert_eq!(stderr(&output), "");
}

#[test]
fn what_only_one_stream_has_is_named_and_damage_is_told() {
    let site = Site::new(0);
    let a = write(&site, "a", &Stream::whole().bytes);
    let b = Stream::head().start("ram", RAM).blocks(&[("rom", 0x1000)]).end_of_part(RAM).devices();
    let b = write(&site, "b", &b.bytes);
    let output = lastref(&["diff"], &[&a, &b]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stdout(&output),
        "RAM block \"ram\": only in the first\nRAM block \"rom\": only in the second\n"
    );
    assert!(stderr(&output).contains("b: at byte"), "{}", stderr(&output));
    let output = lastref(&["diff", "-", "-"], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_block_a_range_and_a_section_are_extracted() {
    let site = Site::new(0);
    let ram = |s: Stream| {
        let s = s.page("ram", 0x3000, 3).page("ram", 0x1000, 9).page("ram", 0x1000, 1);
        // A difference from the page before, and a page that becomes zeros.
        let s = s.word(0x1000, RamFlags::XBZRLE).raw(b"\x03ram\x01\0\x04\x02\x02xy");
        s.page("ram", 0x2000, 2).word(0x2000, RamFlags::ZERO).raw(b"\x03ram\0")
    };
    let file = write(&site, "stream", &stream(ram, 0x0102_0304));
    let mut expected = vec![0; 16 * TARGET_PAGE_SIZE];
    expected[0x1000..0x2000].fill(1);
    expected[0x1002..0x1004].copy_from_slice(b"xy");
    expected[0x3000..0x4000].fill(3);
    let out = site.scratch().join("out");
    let path = out.to_str().expect("text");
    for piped in [false, true] {
        let run = |arguments: &[&str]| {
            let output = if piped {
                through_a_pipe(&[&["extract", "-"], arguments].concat(), &file)
            } else {
                let name = file.to_str().expect("text");
                lastref(&[&["extract", name], arguments].concat(), &[])
            };
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let bytes = fs::read(&out).expect("a file");
            fs::remove_file(&out).expect("it is there");
            bytes
        };
        assert!(run(&["ram", path]) == expected);
        let range = ["ram", path, "--offset", "4K", "--length", "8K"];
        assert!(run(&range) == expected[0x1000..0x3000]);
        let rest = ["ram", path, "--offset", "0x3000"].map(|word| word.replace("0x3000", "12288"));
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        assert!(run(&rest) == expected[0x3000..]);
        let state = run(&["timer", path]);
        assert_eq!((state.len(), &state[..8]), (24, &[0, 0, 0, 0, 1, 2, 3, 4][..]));
    }
}

#[test]
fn what_cannot_be_extracted_leaves_no_file() {
    let site = Site::new(0);
    let whole = stream(|s| s.page("ram", 0x1000, 5), 7);
    let file = write(&site, "stream", &whole);
    let cut = write(&site, "cut", &whole[..whole.len() / 2]);
    let base = stream(|s| s.word(0, RamFlags::XBZRLE).raw(b"\x03ram\x01\0\0"), 7);
    let base = write(&site, "base", &base);
    let wrong =
        |s: Stream| s.page("ram", 0, 1).word(0, RamFlags::XBZRLE).raw(b"\x03ram\x01\0\x01\0");
    let wrong = write(&site, "wrong", &stream(wrong, 7));
    let out = site.scratch().join("out");
    let cases: [(&Path, &str, &[&str], &str); 8] = [
        (&file, "pc.ram", &[], "there are: \"ram\", \"timer\" 0"),
        (&file, "ram", &["--section"], "no such RAM block or device section"),
        (&file, "timer", &["--instance", "1"], "there are: \"ram\", \"timer\" 0"),
        (&file, "ram", &["--offset", "60K", "--length", "8K"], "its length is 0x10000"),
        (&file, "ram", &["--offset", "64K"], "has no 0x0 bytes from 0x10000 on"),
        (&cut, "ram", &[], "the stream is damaged"),
        (&base, "ram", &[], "page 0x0 is a difference from a page that did not come"),
        (&wrong, "ram", &[], "a difference that is wrong at its byte 1"),
    ];
    for (file, name, more, words) in cases {
        let arguments = [&["extract"], more].concat();
        let output = lastref(&arguments, &[file, Path::new(name), &out]);
        assert_eq!(output.status.code(), Some(1), "{name} {more:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{words:?} in {}", stderr(&output));
        assert!(!out.exists(), "{name} {more:?}");
    }
    let output = lastref(&["extract"], &[&file, Path::new("ram"), &file]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(fs::read(&file).expect("the stream") == whole, "the stream is still there");
    for wrong in ["1", "4097", "x"] {
        let output = lastref(&["extract", "--offset", wrong], &[&file, Path::new("ram"), &out]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}
