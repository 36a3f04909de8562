//! The tree for people: a line for each record, with its offset and size; below it what it has.

use std::io::{self, Write};

use wire::layout::{FieldLayout, Piece, Value};
use wire::parser::SectionKind;

use super::report::Report;
use super::survey::{Entry, MAX_DEVICE_STATE, Section, What};
use crate::size::Size;

/// Values of an array that are shown.
const SHOWN_VALUES: usize = 8;

/// Bytes of a value that are shown.
const SHOWN_BYTES: usize = 16;

pub(crate) fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let survey = &report.survey;
    if let Some(image) = &report.image {
        let header = &image.header;
        let state = if header.was_running { "running" } else { "paused" };
        let whole = if header.complete { "" } else { ", not written to its end" };
        writeln!(
            out,
            "libvirt save image: version {}, {}, domain {state}, {} bytes of XML and cookie{whole}",
            header.version,
            header.format.name(),
            header.data_len,
        )?;
        if image.compressed {
            writeln!(out, "offsets are those of the decompressed stream")?;
        }
    }
    let whole = if survey.damage.is_none() { "whole" } else { "damaged" };
    writeln!(out, "{} stream, {whole}, {} bytes", report.format(), survey.end)?;
    writeln!(out, "{:>14} {:>14}", "offset", "size")?;
    for (index, entry) in survey.entries.iter().enumerate() {
        record(report, index, entry, out)?;
    }
    if survey.unlisted > 0 {
        writeln!(out, "{:>29}  {} more records, not listed", "", survey.unlisted)?;
    }
    if let Some(reason) = report.failure() {
        writeln!(out, "damage: {reason}")?;
    }
    Ok(())
}

fn record(report: &Report, index: usize, entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{:>14} {:>14}  ", entry.at, entry.size)?;
    match &entry.what {
        What::Header => writeln!(out, "QEVM version 3"),
        What::Configuration(configuration) => {
            writeln!(out, "configuration: machine {:?}", configuration.machine)?;
            if let Some(bits) = configuration.target_page_bits {
                below(out, &format!("configuration/target-page-bits: {bits}"))?;
            }
            if let Some(capabilities) = &configuration.capabilities {
                below(out, &format!("configuration/capabilities: {capabilities:?}"))?;
            }
            if let Some(uuid) = &configuration.uuid {
                below(out, &format!("configuration/uuid: {uuid}"))?;
            }
            Ok(())
        }
        What::Parts(list) => match list.as_slice() {
            [parts] => {
                let count = match parts.records {
                    1 => String::new(),
                    records => format!(" × {records}"),
                };
                writeln!(out, "PART{count}: {}", head(&parts.section))
            }
            several => {
                let records: u64 = several.iter().map(|parts| parts.records).sum();
                writeln!(out, "PART × {records} of {} sections", several.len())?;
                for parts in several {
                    let (section, records, size) =
                        (head(&parts.section), parts.records, parts.size);
                    below(out, &format!("× {records}, {size} bytes: {section}"))?;
                }
                Ok(())
            }
        },
        What::Section(section) => {
            writeln!(out, "{}: {}", kind(section.kind), head(section))?;
            if section.blocks {
                blocks(report, out)?;
            }
            fields(report, index, section, out)
        }
        What::Command { name, detail } if detail.is_empty() => writeln!(out, "command {name}"),
        What::Command { name, detail } => writeln!(out, "command {name}: {detail}"),
        What::PackageEnd => writeln!(out, "end of the package"),
        What::Eof => writeln!(out, "EOF"),
        What::VmDescription => writeln!(out, "VM description"),
        What::Trailing => writeln!(out, "bytes after the end of the stream"),
    }
}

fn head(section: &Section) -> String {
    let Section { name, instance, version, id, .. } = section;
    format!("{name:?} instance {instance}, version {version}, id {id}")
}

/// Returns QEMU's name of the record.
pub(crate) fn kind(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Start => "START",
        SectionKind::Part => "PART",
        SectionKind::End => "END",
        SectionKind::Full => "FULL",
    }
}

fn below(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "{:>29}    {text}", "")
}

fn blocks(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for (block, count) in report.survey.blocks.iter().zip(&report.survey.counts) {
        let mut text = format!(
            "RAM block {:?}: {}, {} pages, {} zero",
            block.idstr,
            Size(block.used_length),
            count.pages,
            count.zero
        );
        if count.deltas > 0 {
            text += &format!(", {} differences", count.deltas);
        }
        match count.holes(block) {
            Some(holes) => text += &format!(", {holes} holes, {} doubled", count.doubled),
            None => text += ", too many to count holes",
        }
        if let Some(size) = block.page_size {
            text += &format!(", pages of {}", Size(size));
        }
        if let Some(address) = block.address {
            text += &format!(", at guest address {address:#x}");
        }
        if let Some(mapped) = &block.mapped {
            let (bitmap, pages) = (mapped.bitmap_offset, mapped.pages_offset);
            text += &format!(", bitmap at {bitmap}, pages at {pages}");
        }
        below(out, &text)?;
    }
    Ok(())
}

fn fields(report: &Report, index: usize, section: &Section, out: &mut dyn Write) -> io::Result<()> {
    let Some((section, payload, state)) = report.device(index) else {
        if section.is_device() {
            let why = match (&section.payload, &report.survey.layout) {
                (None, _) => format!("not kept: more than {MAX_DEVICE_STATE} bytes of devices"),
                (_, None) => "no VM description: its end is that of its footer".to_owned(),
                (_, Some(_)) => "not in the VM description".to_owned(),
            };
            below(out, &why)?;
        }
        return Ok(());
    };
    let mut depth = 1;
    let mut result = Ok(());
    // What does not fit the description is told at the end.
    let _ = state.decode(payload, &mut |piece| {
        if result.is_err() {
            return;
        }
        let (at, size, text) = match piece {
            Piece::Field { field, at, bytes } => {
                (at, bytes.len().to_string(), format!("{} = {}", label(field), value(field, bytes)))
            }
            Piece::Struct { field, index, at } => {
                let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
                (at, String::new(), format!("{}{index}:", field.name.escape_debug()))
            }
            Piece::Subsection { name, version, at } => {
                (at, String::new(), format!("subsection {name:?}, version {version}:"))
            }
            Piece::Undescribed { at, bytes } => {
                (at, bytes.len().to_string(), format!("not described = {}", hex(bytes)))
            }
            Piece::End => {
                depth -= 1;
                return;
            }
        };
        let at = section.payload_at + at as u64;
        result = writeln!(out, "{at:>14} {size:>14}  {:1$}{text}", "", 2 * depth);
        if matches!(piece, Piece::Struct { .. } | Piece::Subsection { .. }) {
            depth += 1;
        }
    });
    result
}

fn label(field: &FieldLayout) -> String {
    let index = field.index.map(|index| format!("[{index}]")).unwrap_or_default();
    let array = field.array_len.map(|len| format!("[{len}]")).unwrap_or_default();
    format!("{}{index} ({}{array})", field.name.escape_debug(), field.kind.escape_debug())
}

/// Returns the value of a field, shortened for people.
pub(crate) fn value(field: &FieldLayout, bytes: &[u8]) -> String {
    let mut values = field.values(bytes);
    let shown: Vec<String> = values.by_ref().take(SHOWN_VALUES).map(scalar).collect();
    let more = values.count();
    let mut text = shown.join(" ");
    if more > 0 {
        text += &format!(" … {more} more");
    }
    text
}

/// Returns a value as people should see it.
pub(crate) fn scalar(value: Value<'_>) -> String {
    match value {
        Value::Unsigned(value) => format!("{value:#x}"),
        Value::Signed(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Bytes(bytes) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}"));
    let mut text = shown.collect::<String>();
    if bytes.len() > SHOWN_BYTES {
        text += &format!("… ({} bytes)", bytes.len());
    }
    text
}
