//! Device sections of a stream without footers (compat property send-section-footer, off for
//! machine types up to 2.3): only the VM description says where each ends.
//!
//! The survey has all of them as the payload of the first. The description ends the stream, so it
//! is found from behind.

use wire::layout::Layout;
use wire::parser::SectionKind;
use wire::{DecodeError, Decoder, Record, VmDescription, Wire};

use super::survey::{MAX_DEVICE_STATE, Section, Survey, What, detail};

/// Bytes of the record EOF and of the head of the VM description after it.
const HEAD: usize = 6;

/// Takes the payload of the last section of `survey` apart.
pub(crate) fn split(survey: &mut Survey) -> Result<(), DecodeError> {
    let refuse = |at: u64, expected: &str, found: &str| {
        Decoder::with_capacity(&[][..], 0).error_at(at, expected, found)
    };
    let end = survey.end;
    let Some(section) = survey.section().filter(|section| section.is_device()) else {
        // No device section: the parser has seen all records.
        return Ok(());
    };
    let start = section.payload_at;
    let Some(bytes) = section.payload.take() else {
        let expected = format!("at most {MAX_DEVICE_STATE} bytes of sections without footers");
        return Err(refuse(start, &expected, &format!("{} bytes", end - start)));
    };
    let Some((eof, layout)) = description(&bytes) else {
        let found = "neither footers nor a VM description";
        return Err(refuse(start, "the end of a section", found));
    };
    let mut devices = layout.devices.iter();
    let mut at = 0;
    while let Some(section) = survey.section() {
        let is_it = |device: &&wire::layout::DeviceLayout| {
            device.name == section.name && device.instance_id == u64::from(section.instance)
        };
        let Some(device) = devices.find(is_it) else {
            let found = format!("{:?}", section.name);
            return Err(refuse(start + at as u64, "a section of the VM description", &found));
        };
        let place = |mut error: DecodeError, at: usize| {
            error.offset += start + at as u64;
            error
        };
        let len = device.state.measure(&bytes[at..eof]).map_err(|error| place(error, at))?;
        section.payload_at = start + at as u64;
        section.payload = Some(bytes[at..at + len].to_vec());
        at += len;
        // Commands may come between the sections.
        loop {
            if at == eof {
                survey.push(start + at as u64, What::Eof);
                survey.push(start + at as u64 + 1, What::VmDescription);
                survey.close(end);
                survey.layout = Some(layout);
                return Ok(());
            }
            let mut input = Decoder::with_capacity(&bytes[at..eof], 512);
            let record_at = start + at as u64;
            let record = Record::decode(&mut input).map_err(|error| place(error, at))?;
            at += input.offset() as usize;
            match record {
                Record::Full(header) => {
                    survey.push(record_at, What::Section(Section::new(SectionKind::Full, &header)));
                    break;
                }
                Record::Command(command) => {
                    let detail = detail(&command);
                    survey.push(record_at, What::Command { name: command.name(), detail });
                }
                _ => return Err(refuse(record_at, "a device section", "another record")),
            }
        }
    }
    Ok(())
}

/// Finds EOF and the VM description at the end of `bytes`. Returns the place of EOF.
fn description(bytes: &[u8]) -> Option<(usize, Layout)> {
    let is_head = |at: &usize| {
        let head = bytes.get(*at..*at + HEAD).filter(|head| head.starts_with(&[0, 6]));
        let len = head.and_then(|head| head[2..].try_into().ok()).map(u32::from_be_bytes);
        len.is_some_and(|len| at + HEAD + len as usize == bytes.len())
    };
    let at = (0..bytes.len()).rev().find(is_head)?;
    let json = String::from_utf8(bytes[at + HEAD..].to_vec()).ok()?;
    Some((at, Layout::parse(&VmDescription::new(json).ok()?).ok()?))
}
