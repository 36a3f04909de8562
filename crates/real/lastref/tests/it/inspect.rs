//! `lastref inspect`: streams by hand, from a file and through a pipe, whole and not.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use test_support::site::Site;
use test_support::stream::{Stream, encoded};
use wire::libvirt::{SaveFormat, SaveHeader};

use crate::support::lastref::lastref;

/// Runs `inspect` on a file, with `bytes` on standard input if that is what it reads.
pub(crate) fn inspect(arguments: &[&str], file: &Path, through_pipe: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastref"));
    command.arg("inspect").args(arguments);
    if !through_pipe {
        return command.arg(file).output().expect("lastref runs");
    }
    let mut cat = Command::new("cat").arg(file).stdout(Stdio::piped()).spawn().expect("cat runs");
    let pipe = cat.stdout.take().expect("its output is a pipe");
    let output = command.arg("-").stdin(pipe).output().expect("lastref runs");
    cat.wait().expect("cat ends");
    output
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// The JSON object that `inspect` prints of a file.
pub(crate) fn object(file: &Path) -> Value {
    serde_json::from_str(&stdout(&inspect(&["--json"], file, false))).expect("one JSON object")
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error_to_speak_of() {
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    fs::write(&file, Stream::whole().bytes).expect("a file");
    let (file, nothing) = (file.as_path(), Path::new("/dev/null"));
    for arguments in [&["inspect"] as &[&str], &["inspect", "--json"], &["diff"]] {
        let files: &[&Path] = if arguments == ["diff"] { &[file, nothing] } else { &[file] };
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastref"));
        let output = command.args(arguments).args(files).stdout(writer).stderr(Stdio::piped());
        let output = output.output().expect("lastref runs");
        assert_eq!(
            (stderr(&output), output.status.code()),
            (String::new(), Some(1)),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_file_and_a_pipe_are_shown_alike() {
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    fs::write(&file, Stream::whole().bytes).expect("a file");
    for arguments in [&[] as &[&str], &["--json"]] {
        let read = inspect(arguments, &file, false);
        let piped = inspect(arguments, &file, true);
        assert_eq!(stdout(&read), stdout(&piped));
        assert_eq!((stderr(&read), stderr(&piped)), (String::new(), String::new()));
        assert_eq!((read.status.code(), piped.status.code()), (Some(0), Some(0)));
    }
    let object = object(&file);
    assert_eq!(object["format"], "plain");
    assert_eq!(object["whole"], true);
    assert_eq!(object["ram"][0]["pages"], 2);
    assert_eq!(object["ram"][0]["holes"], 14);
}

#[test]
fn damage_is_told_after_all_that_is_whole_with_exit_1() {
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    let stream = Stream::begun().pages().part(2).raw(b"\0\0\0\0\0\0\x04\0").bytes;
    fs::write(&file, &stream).expect("a file");
    let shown = inspect(&[], &file, false);
    assert_eq!(shown.status.code(), Some(1));
    let at = stream.len() - 8;
    let reason = format!("at byte {at}, in section \"ram\" (id 2): expected a RAM record");
    assert!(stderr(&shown).contains(&reason), "{}", stderr(&shown));
    assert!(stdout(&shown).contains(&reason), "{}", stdout(&shown));
    assert!(stdout(&shown).contains("RAM block \"ram\": 64.00 KiB, 2 pages"), "{}", stdout(&shown));
    let object = object(&file);
    assert_eq!(object["whole"], false);
    assert_eq!(object["error-offset"], at);
}

#[test]
fn what_is_no_stream_or_not_there_is_an_error() {
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    fs::write(&file, b"\x7fELF and more").expect("a file");
    let shown = inspect(&[], &file, false);
    assert_eq!(shown.status.code(), Some(1));
    assert!(stderr(&shown).contains("at byte 0: expected file magic"), "{}", stderr(&shown));
    let shown = inspect(&[], &site.scratch().join("none"), false);
    assert_eq!(shown.status.code(), Some(1));
    assert!(stderr(&shown).contains("none as a stream"), "{}", stderr(&shown));
    let shown = inspect(&[], site.scratch(), false);
    assert!(stderr(&shown).contains("directory"), "{}", stderr(&shown));
    let usage = lastref(["inspect"], None).output().expect("lastref runs");
    assert_eq!(usage.status.code(), Some(2));
}

/// A libvirt save image of `stream`, compressed by the program of the format; `None` if that is not
/// installed.
fn image(format: SaveFormat, stream: &[u8]) -> Option<Vec<u8>> {
    let xml = b"<domain type='kvm'><name>guest</name></domain>\0<cookie/>\0";
    let header = SaveHeader {
        complete: true,
        version: 2,
        data_len: xml.len() as u32,
        was_running: true,
        format,
        cookie_offset: 47,
    };
    let mut image = encoded(&header);
    image.extend_from_slice(xml);
    let Some(program) = format.program() else {
        image.extend_from_slice(stream);
        return Some(image);
    };
    let child =
        Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.ok()?;
    let mut input = child.stdin.take().expect("its input is a pipe");
    let bytes = stream.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("no panic").expect("the program reads");
    image.extend_from_slice(&output.stdout);
    Some(image)
}

#[test]
fn a_libvirt_image_is_shown_in_each_format() {
    use SaveFormat::{Bzip2, Gzip, Lzop, Raw, Xz, Zstd};
    let site = Site::new(0);
    let file = site.scratch().join("image");
    let stream = Stream::whole().bytes;
    for format in [Raw, Gzip, Bzip2, Xz, Lzop, Zstd] {
        let Some(image) = image(format, &stream) else {
            let program = format.name();
            let _ = writeln!(
                std::io::stderr(),
                "a_libvirt_image_is_shown_in_each_format: no {program}, format not tried"
            );
            continue;
        };
        fs::write(&file, image).expect("a file");
        for through_pipe in [false, true] {
            let shown = inspect(&["--json"], &file, through_pipe);
            assert_eq!(shown.status.code(), Some(0), "{format:?}: {}", stderr(&shown));
            let object: Value = serde_json::from_str(&stdout(&shown)).expect("one JSON object");
            assert_eq!(object["libvirt"]["format"], format.name());
            assert_eq!(object["libvirt"]["was-running"], true);
            assert_eq!(object["ram"][0]["pages"], 2);
            // In the file, if the stream is in it as it is.
            let start = if format == Raw { 92 + 57 } else { 0 };
            assert_eq!(object["records"][0]["offset"], start, "{format:?}");
            assert_eq!(object["size"], start + stream.len(), "{format:?}");
        }
    }
}

#[test]
fn a_libvirt_image_that_is_cut_or_flipped_anywhere_is_an_error_or_shown() {
    let site = Site::new(0);
    let file = site.scratch().join("image");
    let stream = Stream::whole().bytes;
    let whole = image(SaveFormat::Raw, &stream).expect("it needs no program");
    for len in (0..160).step_by(3) {
        fs::write(&file, &whole[..len]).expect("a file");
        let shown = inspect(&[], &file, len % 2 == 0);
        assert_eq!(shown.status.code(), Some(1), "cut at {len}: {}", stdout(&shown));
        assert!(stderr(&shown).starts_with("lastref: "), "cut at {len}: {}", stderr(&shown));
    }
    // The words of the header and the first of its unused ones.
    for at in 0..44 {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x81;
        fs::write(&file, &bytes).expect("a file");
        let shown = inspect(&[], &file, at % 2 == 0);
        let code = shown.status.code();
        assert!(matches!(code, Some(0 | 1)), "flip at {at}: {code:?} {}", stderr(&shown));
    }
}

#[test]
fn a_compressed_image_that_is_cut_says_so() {
    let site = Site::new(0);
    let file = site.scratch().join("image");
    let stream = Stream::whole().bytes;
    let Some(mut image) = image(SaveFormat::Gzip, &stream) else { return };
    image.truncate(image.len() - 9);
    fs::write(&file, &image).expect("a file");
    for through_pipe in [false, true] {
        let shown = inspect(&[], &file, through_pipe);
        assert_eq!(shown.status.code(), Some(1), "{}", stdout(&shown));
        assert!(stderr(&shown).contains("gzip ended with exit status: 1"), "{}", stderr(&shown));
    }
}

#[test]
fn a_program_that_is_not_installed_is_named() {
    let site = Site::new(0);
    let file = site.scratch().join("image");
    let header = SaveHeader {
        complete: false,
        version: 2,
        data_len: 0,
        was_running: false,
        format: SaveFormat::Lzop,
        cookie_offset: 0,
    };
    fs::write(&file, encoded(&header)).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastref"));
    let shown = command.arg("inspect").arg(&file).env("PATH", site.scratch()).output();
    let shown = shown.expect("lastref runs");
    assert_eq!(shown.status.code(), Some(1));
    assert!(stderr(&shown).contains("cannot run lzop"), "{}", stderr(&shown));
}

#[test]
fn a_postcopy_stream_is_shown_with_its_package() {
    let package = Stream::default().command(wire::Command::PostcopyListen).devices();
    let package = package.command(wire::Command::PostcopyRun).bytes;
    let stream = Stream::begun()
        .pages()
        .command(wire::Command::Packaged(package.len() as u32))
        .raw(&package)
        .pages()
        .ended()
        .eof();
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    fs::write(&file, &stream.bytes).expect("a file");
    let object = object(&file);
    assert_eq!((&object["format"], &object["whole"]), (&"postcopy".into(), &true.into()));
    assert_eq!(object["ram"][0]["doubled"], 2);
    let names: Vec<&str> = object["records"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|record| record["command"].as_str().or(record["record"].as_str()).expect("a name"))
        .collect();
    assert_eq!(
        names[5..],
        [
            "PACKAGED",
            "POSTCOPY_LISTEN",
            "FULL",
            "FULL",
            "POSTCOPY_RUN",
            "package-end",
            "PART",
            "END",
            "EOF"
        ]
    );
    assert!(object["records"][7]["payload"].is_string());
}

#[test]
fn the_main_channel_of_multifd_is_told_by_its_flush() {
    let flush = wire::ram::RamRecord::MultifdFlush;
    let stream = Stream::begun().part(2).piece(&flush).end_of_part(2).ended().devices().eof();
    let site = Site::new(0);
    let file = site.scratch().join("stream");
    fs::write(&file, &stream.bytes).expect("a file");
    let object = object(&file);
    assert_eq!(object["format"], "multifd main channel");
    assert_eq!((&object["ram"][0]["pages"], &object["ram"][0]["holes"]), (&0.into(), &16.into()));
}

#[test]
fn memory_does_not_grow_with_the_stream() {
    // 256 MiB of pages through a pipe, in an address space of 96 MiB.
    const PAGES: u64 = 1 << 16;
    let script = r#"ulimit -v 98304 && exec "$0" inspect --json -"#;
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_lastref")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh runs");
    let mut input = child.stdin.take().expect("its input is a pipe");
    let writer = std::thread::spawn(move || {
        let memory = PAGES * 4096;
        let head = Stream::head().start("ram", 2).blocks(&[("ram", memory)]).end_of_part(2);
        input.write_all(&head.bytes)?;
        let mut part = Stream::default().part(2).page("ram", 0, 1).bytes;
        // A record of a page in the same block, without its offset.
        let page = [&[0; 8][..], &[1; 4096]].concat();
        for number in 1..PAGES {
            let at = part.len();
            part.extend_from_slice(&page);
            part[at..at + 8].copy_from_slice(&((number * 4096) | 0x28).to_be_bytes());
            if part.len() > 1 << 20 {
                input.write_all(&part)?;
                part.clear();
            }
        }
        input.write_all(&part)?;
        input.write_all(&Stream::default().end_mark().footer(2).end(2).end_of_part(2).eof().bytes)
    });
    let output = child.wait_with_output().expect("lastref ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    writer.join().expect("no panic").expect("lastref reads");
    let object: Value = serde_json::from_str(&stdout(&output)).expect("one JSON object");
    assert_eq!(
        (&object["ram"][0]["pages"], &object["ram"][0]["holes"]),
        (&PAGES.into(), &0.into())
    );
}
