//! `lastref inspect` on what a real QEMU saves: each field against the VM description and the bytes
//! of the recording, RAM against QEMU's own count, and all of it against QEMU's script
//! `analyze-migration.py`, if `LASTREF_ANALYZE_MIGRATION` names it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use test_support::qemu;
use test_support::site::Site;

use crate::inspect::{inspect, object, stderr, stdout};

/// Bytes of a section footer.
const FOOTER: u64 = 5;

/// A recording, and what QEMU said of it.
struct Recording {
    file: PathBuf,
    normal: u64,
    duplicate: u64,
}

/// Lets `qemu` save a machine to a file. The commands of the monitor come one by one: `migrate`
/// returns when the file is complete.
fn record(qemu: &Path, site: &Site, capabilities: &[&str], machine: &[&str]) -> Recording {
    let file = site.scratch().join("recording");
    let mut child = Command::new(qemu)
        .args(machine)
        .args(["-nodefaults", "-display", "none", "-monitor", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("QEMU runs");
    let mut monitor = child.stdin.take().expect("its input is a pipe");
    for capability in capabilities {
        writeln!(monitor, "migrate_set_capability {capability} on").expect("QEMU reads");
    }
    let uri = if capabilities.contains(&"mapped-ram") {
        format!("file:{}", file.display())
    } else {
        format!("exec:cat > {}", file.display())
    };
    writeln!(monitor, "migrate \"{uri}\"\ninfo migrate\nquit").expect("QEMU reads");
    let output = child.wait_with_output().expect("QEMU ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}{text}", stderr(&output));
    assert!(text.contains("Migration status: completed") || text.contains("completed"), "{text}");
    let number = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        let word = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default();
        word.parse().unwrap_or_else(|_| panic!("{name} in {text}"))
    };
    Recording { file, normal: number("normal:"), duplicate: number("duplicate:") }
}

/// Returns whether `qemu` accepts a capability on this host.
fn accepts(qemu: &Path, capability: &str) -> bool {
    let mut child = Command::new(qemu)
        .args(["-M", "none", "-nodefaults", "-display", "none", "-monitor", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("QEMU runs");
    let mut monitor = child.stdin.take().expect("its input is a pipe");
    writeln!(monitor, "migrate_set_capability {capability} on\nquit").expect("QEMU reads");
    let output = child.wait_with_output().expect("QEMU ends");
    !stdout(&output).contains("Error:")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], |list| list.as_slice())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

/// Finds the VM description from behind: `inspect` finds it from the front.
fn description(stream: &[u8]) -> Value {
    let is_head = |at: &usize| {
        let head = stream.get(*at..at + 6).filter(|head| head.starts_with(&[0, 6]));
        let len = head.and_then(|head| head[2..].try_into().ok()).map(u32::from_be_bytes);
        len.is_some_and(|len| at + 6 + len as usize == stream.len())
    };
    let at = (0..stream.len()).rev().find(is_head).expect("a VM description");
    serde_json::from_slice(&stream[at + 6..]).expect("JSON")
}

/// A leaf of the fields: name, encoding, offset and bytes.
type Leaf = (String, String, u64, u64);

/// Lists the leaves of a described state, the first of which is at `at`. Returns where they end.
fn described(state: &Value, at: &mut u64, leaves: &mut Vec<Leaf>) {
    for field in list(&state["fields"]) {
        let size = number(&field["size"]);
        let elements = field["array_len"].as_u64();
        if field.get("struct").is_none() {
            let size = size * elements.unwrap_or(1);
            leaves.push((text(&field["name"]).into(), text(&field["type"]).into(), *at, size));
            *at += size;
            continue;
        }
        for _ in 0..elements.unwrap_or(1) {
            let start = *at;
            described(&field["struct"], at, leaves);
            if elements.is_none() {
                *at = start + size;
            }
        }
    }
    for subsection in list(&state["subsections"]) {
        *at += 1 + 1 + text(&subsection["vmsd_name"]).len() as u64 + 4;
        described(subsection, at, leaves);
    }
}

/// Lists the leaves that `inspect` shows.
fn shown(fields: &Value, leaves: &mut Vec<Leaf>) {
    for field in list(fields) {
        if field.get("fields").is_some() {
            shown(&field["fields"], leaves);
        } else if field.get("name").is_some() {
            let (name, kind) = (text(&field["name"]), text(&field["type"]));
            leaves.push((
                name.into(),
                kind.into(),
                number(&field["offset"]),
                number(&field["size"]),
            ));
        }
    }
}

/// Checks that a value is that of these bytes.
fn assert_value(value: &Value, kind: &str, bytes: &[u8]) {
    let be = || bytes.iter().fold(0, |value: u128, byte| value << 8 | u128::from(*byte));
    match value {
        Value::Bool(on) => assert_eq!(*on, bytes[0] != 0),
        Value::Number(number) => {
            let number =
                number.as_i64().map_or_else(|| number.as_u64().map_or(0, i128::from), i128::from);
            let all = 1_i128 << (8 * bytes.len());
            assert_eq!(number.rem_euclid(all) as u128, be(), "{kind}");
            assert!(number >= 0 || !kind.starts_with("uint"), "{kind}: {number}");
        }
        Value::String(hex) => {
            let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(*hex, expected);
        }
        other => panic!("a value: {other}"),
    }
}

/// Checks the values of all fields against the bytes at their places.
fn assert_values(fields: &Value, stream: &[u8]) {
    for field in list(fields) {
        if field.get("fields").is_some() {
            assert_values(&field["fields"], stream);
            continue;
        }
        let (at, size) = (number(&field["offset"]) as usize, number(&field["size"]) as usize);
        let bytes = &stream[at..at + size];
        let kind = field["type"].as_str().unwrap_or_default();
        match &field["value"] {
            Value::Array(values) => {
                let element = size / values.len().max(1);
                for (value, bytes) in values.iter().zip(bytes.chunks(element.max(1))) {
                    assert_value(value, kind, bytes);
                }
            }
            value => assert_value(value, kind, bytes),
        }
    }
}

/// Checks what `inspect` says of a recording.
fn assert_shown(recording: &Recording) -> Value {
    assert_shown_with(recording, FOOTER)
}

/// The same for sections that end with a footer of so many bytes.
fn assert_shown_with(recording: &Recording, footer: u64) -> Value {
    let stream = fs::read(&recording.file).expect("the recording");
    let report = inspect(&["--json"], &recording.file, true);
    assert_eq!(report.status.code(), Some(0), "{}", stderr(&report));
    let object: Value = serde_json::from_str(&stdout(&report)).expect("one JSON object");
    assert_eq!((&object["whole"], &object["error-desc"]), (&Value::Bool(true), &Value::Null));

    let records = list(&object["records"]);
    let end = records.iter().fold(0, |at, record| {
        assert_eq!(number(&record["offset"]), at, "no byte is left out before {record}");
        at + number(&record["size"])
    });
    assert_eq!(end, stream.len() as u64);

    let ram = list(&object["ram"]);
    let sum = |name: &str| ram.iter().map(|block| number(&block[name])).sum::<u64>();
    assert_eq!((sum("pages"), recording.normal), (recording.normal, recording.normal));
    if object["format"] != "mapped-ram" {
        assert_eq!(sum("zero"), recording.duplicate);
        // The memory of a virtio-mem device that is not plugged is not sent.
        let unplugged = ram.iter().filter(|block| text(&block["name"]).ends_with("/mem"));
        let unplugged: u64 = unplugged.map(|block| number(&block["length"]) / 4096).sum();
        assert_eq!(sum("holes"), unplugged);
    }

    let devices: Vec<&Value> = records.iter().filter(|record| record["record"] == "FULL").collect();
    let description = description(&stream);
    let layouts = list(&description["devices"]);
    assert_eq!(devices.len(), layouts.len());
    for (device, layout) in devices.iter().zip(layouts) {
        assert_eq!(
            (&device["name"], &device["instance-id"]),
            (&layout["name"], &layout["instance_id"])
        );
        let head = 1 + 4 + 1 + text(&device["name"]).len() as u64 + 4 + 4;
        let mut at = number(&device["offset"]) + head;
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        described(layout, &mut at, &mut expected);
        shown(&device["fields"], &mut found);
        assert_eq!(found, expected, "the fields of {}", device["name"]);
        let end = number(&device["offset"]) + number(&device["size"]);
        assert_eq!(at + footer, end, "the end of {}", device["name"]);
        assert_values(&device["fields"], &stream);
    }
    object
}

/// The value that the script shows for a list of fields: of two with one name it keeps the last.
fn as_the_script(fields: &Value) -> Vec<(String, Vec<&Value>)> {
    let mut members: Vec<(String, Vec<&Value>)> = Vec::new();
    for field in list(fields) {
        let Some(name) = field.get("name").or_else(|| field.get("subsection")) else { continue };
        let name = text(name).to_owned();
        let first = field.get("index").and_then(Value::as_u64);
        match members.iter_mut().find(|(other, _)| *other == name) {
            Some((_, elements)) if first.is_some_and(|index| index > 0) => elements.push(field),
            Some((_, elements)) => *elements = vec![field],
            None => members.push((name, vec![field])),
        }
    }
    members
}

/// Compares a scalar of the script with the bytes.
fn assert_script_scalar(script: &Value, bytes: &[u8]) {
    match script {
        Value::Bool(on) => assert_eq!(*on, bytes[0] != 0),
        Value::String(words) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let first = words.split(' ').next().unwrap_or_default();
            match first.strip_prefix("0x") {
                Some(hex) => assert_eq!(hex, digits),
                None => assert_eq!(words.replace(' ', ""), digits),
            }
        }
        other => panic!("a scalar of the script: {other}"),
    }
}

/// Compares the fields with what the script shows. Returns the number of scalars compared.
fn assert_script(fields: &Value, script: &Value, stream: &[u8]) -> usize {
    let members = as_the_script(fields);
    let script = script.as_object().unwrap_or_else(|| panic!("an object: {script}"));
    let names: Vec<&String> = members.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), script.len(), "{names:?} and {:?}", script.keys());
    let mut compared = 0;
    for (name, elements) in members {
        let theirs = &script[&name];
        let is_list = elements[0].get("index").is_some() || elements[0]["value"].is_array();
        let theirs: Vec<&Value> = match theirs {
            Value::Array(list) if is_list => list.iter().collect(),
            other => vec![other],
        };
        if let [field] = elements[..]
            && let Value::Array(values) = &field["value"]
        {
            let at = number(&field["offset"]) as usize;
            let size = number(&field["size"]) as usize / values.len().max(1);
            assert_eq!(theirs.len(), values.len(), "{name}");
            for (index, script) in theirs.iter().enumerate() {
                assert_script_scalar(script, &stream[at + index * size..][..size]);
                compared += 1;
            }
            continue;
        }
        assert_eq!(theirs.len(), elements.len(), "{name}");
        for (field, script) in elements.iter().zip(theirs) {
            if field.get("fields").is_some() {
                compared += assert_script(&field["fields"], script, stream);
            } else {
                let at = number(&field["offset"]) as usize;
                assert_script_scalar(script, &stream[at..][..number(&field["size"]) as usize]);
                compared += 1;
            }
        }
    }
    compared
}

/// Compares a report with QEMU's script, if it is there: it is not part of this repository.
fn compare_with_the_script(recording: &Recording, object: &Value) {
    let Some(script) = std::env::var_os("LASTREF_ANALYZE_MIGRATION") else {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        let _ = writeln!(
            std::io::stderr(),
            "{test}: not compared with QEMU's script, because LASTREF_ANALYZE_MIGRATION is not set"
        );
        return;
    };
    let output = Command::new("python3")
        .arg(script)
        .arg("-f")
        .arg(&recording.file)
        .args(["-d", "state"])
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let script: Value = serde_json::from_str(&stdout(&output)).expect("JSON of the script");
    let stream = fs::read(&recording.file).expect("the recording");
    let mut compared = 0;
    for record in list(&object["records"]).iter().filter(|record| record["record"] == "FULL") {
        let key = format!("{} ({})", text(&record["name"]), record["section-id"]);
        assert!(script.get(&key).is_some(), "{key} of the script");
        compared += assert_script(&record["fields"], &script[&key], &stream);
    }
    let start = list(&object["records"]).iter().find(|record| record["record"] == "START");
    let id = &start.expect("the start of ram")["section-id"];
    let sizes = &script[format!("ram ({id})")]["section sizes"];
    for block in list(&object["ram"]) {
        let size = format!("{:#018x}", number(&block["length"]));
        assert_eq!(text(&sizes[text(&block["name"])]), size);
    }
    assert!(compared > 4, "{compared} fields compared");
}

fn machine_of_7_2(machine: &[&str]) {
    let Some(qemu) = qemu::find() else { return };
    let site = Site::new(0);
    let recording = record(&qemu, &site, &[], machine);
    let object = assert_shown(&recording);
    assert_eq!(object["format"], "plain");
    compare_with_the_script(&recording, &object);
}

#[test]
fn a_machine_none_is_shown_field_by_field() {
    machine_of_7_2(&["-M", "none", "-m", "16M"]);
}

#[test]
fn a_pc_is_shown_field_by_field() {
    machine_of_7_2(&["-M", "pc", "-m", "32M", "-device", "e1000", "-S"]);
}

#[test]
fn a_q35_with_devices_is_shown_field_by_field() {
    let drive = "if=none,id=disk,file=null-co://,format=raw";
    machine_of_7_2(&[
        "-M",
        "q35",
        "-m",
        "32M",
        "-smp",
        "2",
        "-S",
        "-vga",
        "std",
        "-device",
        "virtio-net-pci",
        "-device",
        "virtio-blk-pci,drive=disk",
        "-drive",
        drive,
    ]);
}

#[test]
fn a_microvm_is_shown_field_by_field() {
    machine_of_7_2(&["-M", "microvm", "-m", "32M", "-S"]);
}

#[test]
fn a_machine_of_old_without_footers_is_shown_field_by_field() {
    let Some(qemu) = qemu::find() else { return };
    for machine in [
        &["-M", "pc-i440fx-2.3", "-m", "16M", "-S"] as &[&str],
        &["-M", "q35", "-m", "16M", "-S", "-global", "migration.send-section-footer=off"],
    ] {
        let site = Site::new(0);
        let recording = record(&qemu, &site, &[], machine);
        let object = assert_shown_with(&recording, 0);
        compare_with_the_script(&recording, &object);
    }
}

#[test]
fn a_q35_with_many_devices_is_shown_field_by_field() {
    let Some(qemu) = qemu::find() else { return };
    many_devices(&qemu, &["-device", "intel-hda", "-device", "hda-duplex"]);
}

#[test]
fn a_q35_of_a_new_qemu_is_shown_field_by_field() {
    let Some(qemu) = qemu::find_new() else { return };
    many_devices(&qemu, &["-device", "virtio-mem-pci,memdev=mem", "-object", MEMORY_DEVICE]);
}

/// Its state is sent before RAM.
const MEMORY_DEVICE: &str = "memory-backend-ram,id=mem,size=128M";

fn many_devices(qemu: &Path, more: &[&str]) {
    let site = Site::new(0);
    let mut machine = vec!["-M", "q35", "-m", "32M,maxmem=512M,slots=2", "-smp", "4", "-S"];
    machine.extend(more);
    machine.extend([
        "-netdev",
        "user,id=net",
        "-drive",
        "if=none,id=disk,file=null-co://,format=raw",
    ]);
    for device in [
        "e1000e,netdev=net",
        "qemu-xhci",
        "usb-tablet",
        "virtio-gpu-pci",
        "virtio-balloon-pci",
        "virtio-rng-pci",
        "virtio-serial-pci",
        "virtio-scsi-pci",
        "scsi-hd,drive=disk",
        "i6300esb",
        "pcie-root-port,chassis=1",
        "ich9-usb-ehci1",
        "isa-serial",
    ] {
        machine.extend(["-device", device]);
    }
    assert_shown(&record(qemu, &site, &[], &machine));
}

#[test]
fn a_configuration_with_subsections_is_shown() {
    let Some(qemu) = qemu::find() else { return };
    let site = Site::new(0);
    let machine = ["-M", "none", "-m", "16M", "-uuid", qemu::UUID];
    let recording = record(&qemu, &site, &["x-ignore-shared", "validate-uuid"], &machine);
    let object = assert_shown(&recording);
    let configuration = &object["records"][1];
    assert_eq!(configuration["uuid"], qemu::UUID);
    assert_eq!(list(&configuration["capabilities"]), ["x-ignore-shared"]);
    assert_eq!(object["ram"][0]["address"], 0);
}

#[test]
fn a_mapped_ram_file_of_a_new_qemu_is_shown() {
    let Some(qemu) = qemu::find_new() else { return };
    for capabilities in [&["mapped-ram"] as &[&str], &["mapped-ram", "multifd"]] {
        let site = Site::new(0);
        let machine = ["-M", "q35", "-m", "32M", "-S", "-device", "virtio-net-pci"];
        let recording = record(&qemu, &site, capabilities, &machine);
        let shown = assert_shown(&recording);
        assert_eq!(shown["format"], "mapped-ram");
        // A file is passed over where a pipe is read; both see the same.
        assert_eq!(object(&recording.file), shown);
    }
}

#[test]
fn a_background_snapshot_is_shown() {
    let Some(qemu) = qemu::find() else { return };
    if !accepts(&qemu, "background-snapshot") {
        let required = std::env::var_os("LASTREF_REQUIRE_WRITE_PROTECT").is_some_and(|v| v == "1");
        assert!(!required, "LASTREF_REQUIRE_WRITE_PROTECT=1 and QEMU does not accept it");
        let _ = writeln!(
            std::io::stderr(),
            "a_background_snapshot_is_shown: skipped, because the kernel has no write protection"
        );
        return;
    }
    // A machine that has not run yet aborts QEMU 7.2 here.
    let site = Site::new(0);
    let recording = record(&qemu, &site, &["background-snapshot"], &["-M", "q35", "-m", "32M"]);
    let object = assert_shown(&recording);
    assert_eq!(object["format"], "background snapshot");
}
