//! The report as one JSON object, written piece by piece.

use std::io::{self, Write};

use serde::Serialize;
use wire::layout::{FieldLayout, Piece, Value};

use super::report::Report;
use super::survey::{Entry, Section, What};
use super::tree::kind;

/// Writes JSON. Keeps the first error, so that a visitor need not return it.
struct Json<'w> {
    out: &'w mut dyn Write,
    /// Whether a comma comes before the next member.
    comma: bool,
    done: io::Result<()>,
}

impl Json<'_> {
    fn raw(&mut self, text: &str) {
        if self.done.is_ok() {
            self.done = self.out.write_all(text.as_bytes());
        }
    }

    fn scalar(&mut self, value: &impl Serialize) {
        if self.done.is_ok() {
            self.done = serde_json::to_writer(&mut self.out, value).map_err(io::Error::from);
        }
    }

    fn key(&mut self, key: Option<&str>) {
        if std::mem::replace(&mut self.comma, true) {
            self.raw(",");
        }
        if let Some(key) = key {
            self.scalar(&key);
            self.raw(":");
        }
    }

    /// Writes a member of an object.
    fn member(&mut self, key: &str, value: impl Serialize) {
        self.key(Some(key));
        self.scalar(&value);
    }

    /// Begins an object or, with `[`, a list.
    fn open(&mut self, key: Option<&str>, bracket: &str) {
        self.key(key);
        self.raw(bracket);
        self.comma = false;
    }

    fn close(&mut self, bracket: &str) {
        self.raw(bracket);
        self.comma = true;
    }
}

pub(crate) fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut json = Json { out, comma: false, done: Ok(()) };
    let survey = &report.survey;
    json.open(None, "{");
    json.member("format", report.format());
    json.member("whole", survey.damage.is_none());
    json.member("size", survey.end);
    if let Some(image) = &report.image {
        json.open(Some("libvirt"), "{");
        json.member("version", image.header.version);
        json.member("complete", image.header.complete);
        json.member("format", image.header.format.name());
        json.member("was-running", image.header.was_running);
        json.member("data-len", image.header.data_len);
        json.member("cookie-offset", image.header.cookie_offset);
        json.member("compressed", image.compressed);
        json.close("}");
    }
    json.open(Some("records"), "[");
    for (index, entry) in survey.entries.iter().enumerate() {
        record(&mut json, report, index, entry);
    }
    json.close("]");
    json.member("unlisted-records", survey.unlisted);
    json.open(Some("ram"), "[");
    for (block, count) in survey.blocks.iter().zip(&survey.counts) {
        json.open(None, "{");
        json.member("name", block.idstr.as_str());
        json.member("length", block.used_length);
        json.member("pages", count.pages);
        json.member("zero", count.zero);
        json.member("differences", count.deltas);
        json.member("holes", count.holes(block));
        json.member("doubled", count.doubled);
        if let Some(size) = block.page_size {
            json.member("page-size", size);
        }
        if let Some(address) = block.address {
            json.member("address", address);
        }
        if let Some(mapped) = &block.mapped {
            json.member("bitmap-offset", mapped.bitmap_offset);
            json.member("pages-offset", mapped.pages_offset);
        }
        json.close("}");
    }
    json.close("]");
    if let Some(layout) = &survey.layout {
        json.member("page-size", layout.page_size);
    }
    json.member("error-desc", report.failure());
    if let Some(damage) = &survey.damage {
        json.member("error-offset", damage.offset);
    }
    json.close("}");
    json.raw("\n");
    json.done
}

fn record(json: &mut Json<'_>, report: &Report, index: usize, entry: &Entry) {
    json.open(None, "{");
    json.member("offset", entry.at);
    json.member("size", entry.size);
    match &entry.what {
        What::Header => json.member("record", "header"),
        What::Configuration(configuration) => {
            json.member("record", "CONFIGURATION");
            json.member("machine", &configuration.machine);
            if let Some(bits) = configuration.target_page_bits {
                json.member("target-page-bits", bits);
            }
            if let Some(capabilities) = &configuration.capabilities {
                let names: Vec<&str> = capabilities.iter().map(|name| name.as_str()).collect();
                json.member("capabilities", names);
            }
            if let Some(uuid) = &configuration.uuid {
                json.member("uuid", uuid.to_string());
            }
        }
        What::Parts(list) => {
            json.member("record", "PART");
            json.open(Some("sections"), "[");
            for parts in list {
                json.open(None, "{");
                head(json, &parts.section);
                json.member("records", parts.records);
                json.member("size", parts.size);
                json.close("}");
            }
            json.close("]");
        }
        What::Section(section) => {
            json.member("record", kind(section.kind));
            head(json, section);
            fields(json, report, index);
            undescribed(json, report, index, section);
        }
        What::Command { name, detail } => {
            json.member("record", "COMMAND");
            json.member("command", name);
            if !detail.is_empty() {
                json.member("detail", detail);
            }
        }
        What::PackageEnd => json.member("record", "package-end"),
        What::Eof => json.member("record", "EOF"),
        What::VmDescription => json.member("record", "VMDESCRIPTION"),
        What::Trailing => json.member("record", "trailing"),
    }
    json.close("}");
}

fn head(json: &mut Json<'_>, section: &Section) {
    json.member("name", &section.name);
    json.member("instance-id", section.instance);
    json.member("section-id", section.id);
    json.member("version", section.version);
}

/// Writes the payload of a section that the description does not have.
fn undescribed(json: &mut Json<'_>, report: &Report, index: usize, section: &Section) {
    if report.device(index).is_none()
        && let Some(payload) = &section.payload
    {
        json.member("payload", hex(payload));
    }
}

fn fields(json: &mut Json<'_>, report: &Report, index: usize) {
    let Some((section, payload, state)) = report.device(index) else { return };
    json.open(Some("fields"), "[");
    let mut depth = 0;
    let _ = state.decode(payload, &mut |piece| match piece {
        Piece::Field { field, at, bytes } => {
            json.open(None, "{");
            place(json, field, section.payload_at + at as u64, field.index);
            json.member("size", bytes.len());
            if field.array_len.is_some() {
                json.open(Some("value"), "[");
                for value in field.values(bytes) {
                    json.key(None);
                    scalar(json, value);
                }
                json.close("]");
            } else {
                json.key(Some("value"));
                match field.values(bytes).next() {
                    Some(value) => scalar(json, value),
                    None => json.scalar(&""),
                }
            }
            json.close("}");
        }
        Piece::Struct { field, index, at } => {
            json.open(None, "{");
            place(json, field, section.payload_at + at as u64, index);
            json.open(Some("fields"), "[");
            depth += 1;
        }
        Piece::Subsection { name, version, at } => {
            json.open(None, "{");
            json.member("subsection", name);
            json.member("version", version);
            json.member("offset", section.payload_at + at as u64);
            json.open(Some("fields"), "[");
            depth += 1;
        }
        Piece::Undescribed { at, bytes } => {
            json.open(None, "{");
            json.member("offset", section.payload_at + at as u64);
            json.member("size", bytes.len());
            json.member("value", hex(bytes));
            json.close("}");
        }
        Piece::End => {
            json.close("]");
            json.close("}");
            depth -= 1;
        }
    });
    // A payload that is not as described ends inside of its structs.
    for _ in 0..depth {
        json.close("]");
        json.close("}");
    }
    json.close("]");
}

fn place(json: &mut Json<'_>, field: &FieldLayout, at: u64, index: Option<u64>) {
    json.member("name", &field.name);
    if let Some(index) = index {
        json.member("index", index);
    }
    json.member("type", &field.kind);
    json.member("offset", at);
}

fn scalar(json: &mut Json<'_>, value: Value<'_>) {
    match value {
        Value::Unsigned(value) => json.scalar(&value),
        Value::Signed(value) => json.scalar(&value),
        Value::Bool(value) => json.scalar(&value),
        Value::Bytes(bytes) => json.scalar(&hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
}
