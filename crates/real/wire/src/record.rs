//! The outer structure of the stream: its header, the records, and the footer after each section.
//!
//! QEMU: `qemu_savevm_state_header`, `save_section_header`, `save_section_footer`,
//! `qemu_loadvm_state_main`, `check_section_footer` (`migration/savevm.c`).

use std::io::Read;

use crate::configuration::SUBSECTION;
use crate::{Command, Configuration, DecodeError, Decoder, IdStr, Put, VmDescription, Wire};

/// First four bytes of a stream: `QEVM`.
pub const FILE_MAGIC: u32 = 0x5145_564d;

/// The version of the stream, after the magic.
pub const FILE_VERSION: u32 = 3;

const OBSOLETE_VERSION: u32 = 2;

pub(crate) const EOF: u8 = 0x00;
pub(crate) const SECTION_START: u8 = 0x01;
pub(crate) const SECTION_PART: u8 = 0x02;
pub(crate) const SECTION_END: u8 = 0x03;
pub(crate) const SECTION_FULL: u8 = 0x04;
pub(crate) const VMDESCRIPTION: u8 = 0x06;
const CONFIGURATION: u8 = 0x07;
pub(crate) const COMMAND: u8 = 0x08;
pub(crate) const SECTION_FOOTER: u8 = 0x7e;

/// Magic and version: the first eight bytes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader;

impl Wire for FileHeader {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_be32(FILE_MAGIC);
        out.put_be32(FILE_VERSION);
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<FileHeader, DecodeError> {
        let at = input.offset();
        let magic = input.be32("file magic")?;
        if magic != FILE_MAGIC {
            let expected = format!("file magic {FILE_MAGIC:#010x} (QEVM)");
            return Err(input.error_at(at, expected, format!("{magic:#010x}")));
        }
        let at = input.offset();
        match input.be32("stream version")? {
            FILE_VERSION => Ok(FileHeader),
            other => {
                let fate = if other == OBSOLETE_VERSION { "obsolete" } else { "unsupported" };
                let expected = format!("stream version {FILE_VERSION}");
                Err(input.error_at(at, expected, format!("version {other} ({fate})")))
            }
        }
    }
}

/// The head of a section, in its START or FULL record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionHeader {
    /// The number by which PART, END and footer refer to the section.
    pub section_id: u32,
    /// The name of the device or handler.
    pub idstr: IdStr,
    /// A number that distinguishes devices of the same name.
    pub instance_id: u32,
    /// The version of the payload's format.
    pub version_id: u32,
}

impl SectionHeader {
    /// Returns the name of the section in errors, for [`Decoder::set_section`]: `section "ram" (id
    /// 2)`.
    pub fn label(&self) -> String {
        format!("section {:?} (id {})", self.idstr, self.section_id)
    }
}

impl Wire for SectionHeader {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_be32(self.section_id);
        self.idstr.encode(out);
        out.put_be32(self.instance_id);
        out.put_be32(self.version_id);
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<SectionHeader, DecodeError> {
        Ok(SectionHeader {
            section_id: input.be32("section id")?,
            idstr: IdStr::decode(input)?,
            instance_id: input.be32("instance id")?,
            version_id: input.be32("version id")?,
        })
    }
}

/// A record: its type byte and its head. After START, PART, END and FULL the caller reads the
/// payload and then a [`Footer`].
///
/// Decoding sets the decoder's section label. If the record names the section, the label does too.
/// After PART and END, where only the caller knows the name, it is like `section (id 2)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The end of the records; a [`Record::VmDescription`] may follow.
    Eof,
    /// The first part of a section that is sent in parts.
    Start(SectionHeader),
    /// Another part of such a section.
    Part {
        /// The number from the START record.
        section_id: u32,
    },
    /// The last part of such a section.
    End {
        /// The number from the START record.
        section_id: u32,
    },
    /// A whole section.
    Full(SectionHeader),
    /// The configuration that both machines must share; only as the first record.
    Configuration(Configuration),
    /// The JSON description of the device sections; only after EOF.
    VmDescription(VmDescription),
    /// A command to the destination.
    Command(Command),
}

impl Wire for Record {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Record::Eof => out.push(EOF),
            Record::Start(header) => {
                out.push(SECTION_START);
                header.encode(out);
            }
            Record::Part { section_id } => {
                out.push(SECTION_PART);
                out.put_be32(*section_id);
            }
            Record::End { section_id } => {
                out.push(SECTION_END);
                out.put_be32(*section_id);
            }
            Record::Full(header) => {
                out.push(SECTION_FULL);
                header.encode(out);
            }
            Record::Configuration(configuration) => {
                out.push(CONFIGURATION);
                configuration.encode(out);
            }
            Record::VmDescription(description) => {
                out.push(VMDESCRIPTION);
                description.encode(out);
            }
            Record::Command(command) => {
                out.push(COMMAND);
                command.encode(out);
            }
        }
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Record, DecodeError> {
        input.set_section(None);
        let at = input.offset();
        let kind = input.u8("record type")?;
        Ok(match kind {
            EOF => Record::Eof,
            SECTION_START => Record::Start(section(input)?),
            SECTION_PART => Record::Part { section_id: section_id(input)? },
            SECTION_END => Record::End { section_id: section_id(input)? },
            SECTION_FULL => Record::Full(section(input)?),
            VMDESCRIPTION => {
                input.set_section(Some("VM description"));
                Record::VmDescription(VmDescription::decode(input)?)
            }
            CONFIGURATION => {
                input.set_section(Some("configuration"));
                Record::Configuration(Configuration::decode(input)?)
            }
            COMMAND => {
                input.set_section(Some("command"));
                Record::Command(Command::decode(input)?)
            }
            other => {
                let name = match other {
                    SUBSECTION => " (subsection)",
                    SECTION_FOOTER => " (section footer)",
                    _ => "",
                };
                let expected = "record type 0x00 to 0x04 or 0x06 to 0x08";
                return Err(input.error_at(at, expected, format!("{other:#04x}{name}")));
            }
        })
    }
}

fn section<R: Read>(input: &mut Decoder<R>) -> Result<SectionHeader, DecodeError> {
    input.set_section(Some("section header"));
    let header = SectionHeader::decode(input)?;
    input.set_section(Some(&header.label()));
    Ok(header)
}

fn section_id<R: Read>(input: &mut Decoder<R>) -> Result<u32, DecodeError> {
    input.set_section(Some("section header"));
    let section_id = input.be32("section id")?;
    input.set_section(Some(&format!("section (id {section_id})")));
    Ok(section_id)
}

/// The end of the payload of START, PART, END and FULL. It shows that the reader read neither too
/// much nor too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The number in the head of the record.
    pub section_id: u32,
}

impl Wire for Footer {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(SECTION_FOOTER);
        out.put_be32(self.section_id);
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Footer, DecodeError> {
        let at = input.offset();
        match input.u8("section footer")? {
            SECTION_FOOTER => Ok(Footer { section_id: input.be32("section id of the footer")? }),
            other => {
                let expected = format!("section footer {SECTION_FOOTER:#04x}");
                Err(input.error_at(at, expected, format!("{other:#04x}")))
            }
        }
    }
}

impl Footer {
    /// Reads the footer of section `section_id`.
    ///
    /// # Errors
    /// If there is no footer, or it is another section's.
    pub fn expect<R: Read>(input: &mut Decoder<R>, section_id: u32) -> Result<(), DecodeError> {
        let at = input.offset();
        match Footer::decode(input)?.section_id {
            id if id == section_id => Ok(()),
            other => Err(input.error_at(
                at,
                format!("section footer of id {section_id}"),
                format!("section footer of id {other}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, refused};

    fn ram() -> SectionHeader {
        SectionHeader {
            section_id: 2,
            idstr: IdStr::new("ram").unwrap(),
            instance_id: 0,
            version_id: 4,
        }
    }

    #[test]
    fn every_record_has_its_golden_bytes() {
        golden(&FileHeader, b"QEVM\0\0\0\x03");
        golden(&Record::Eof, b"\x00");
        golden(&Record::Start(ram()), b"\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04");
        golden(&Record::Part { section_id: 2 }, b"\x02\0\0\0\x02");
        golden(&Record::End { section_id: 2 }, b"\x03\0\0\0\x02");
        golden(&Record::Full(ram()), b"\x04\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04");
        let description = VmDescription::new("{}".into()).unwrap();
        golden(&Record::VmDescription(description), b"\x06\0\0\0\x02{}");
        let configuration = Configuration { machine: "none".into(), ..Configuration::default() };
        golden(&Record::Configuration(configuration), b"\x07\0\0\0\x04none");
        golden(&Record::Command(Command::Ping(1)), b"\x08\0\x02\0\x04\0\0\0\x01");
        golden(&Footer { section_id: 2 }, b"\x7e\0\0\0\x02");
    }

    #[test]
    fn a_foreign_header_is_refused_by_what_is_wrong_with_it() {
        refused::<FileHeader>(
            b"\x7fELF\0\0\0\x03",
            "at byte 0: expected file magic 0x5145564d (QEVM), found 0x7f454c46",
        );
        refused::<FileHeader>(
            b"QEVM\0\0\0\x02",
            "at byte 4: expected stream version 3, found version 2 (obsolete)",
        );
        refused::<FileHeader>(
            b"QEVM\0\0\0\x04",
            "at byte 4: expected stream version 3, found version 4 (unsupported)",
        );
    }

    #[test]
    fn bytes_that_start_no_record_are_refused() {
        for (byte, found) in
            [(5, "0x05 (subsection)"), (0x7e, "0x7e (section footer)"), (9, "0x09")]
        {
            refused::<Record>(
                &[byte],
                &format!(
                    "at byte 0: expected record type 0x00 to 0x04 or 0x06 to 0x08, found {found}"
                ),
            );
        }
    }

    #[test]
    fn a_missing_or_foreign_footer_is_told_within_its_section() {
        let mut input = Decoder::new(&b"\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04\0"[..]);
        Record::decode(&mut input).unwrap();
        assert_eq!(
            Footer::expect(&mut input, 2).unwrap_err().to_string(),
            "at byte 17, in section \"ram\" (id 2): expected section footer 0x7e, found 0x00"
        );
        let mut input = Decoder::new(&b"\x02\0\0\0\x02\x7e\0\0\0\x03"[..]);
        Record::decode(&mut input).unwrap();
        assert_eq!(
            Footer::expect(&mut input, 2).unwrap_err().to_string(),
            "at byte 5, in section (id 2): expected section footer of id 2, found section footer of id 3"
        );
        let mut input = Decoder::new(&b"\x7e\0"[..]);
        assert!(Footer::expect(&mut input, 2).unwrap_err().is_end_of_stream());
    }

    #[test]
    fn errors_name_the_record_they_are_in_and_the_next_record_clears_it() {
        let mut input = Decoder::new(&b"\x02\0\0\0\x02\x08\0\x63\0\0"[..]);
        Record::decode(&mut input).unwrap();
        assert_eq!(
            Record::decode(&mut input).unwrap_err().to_string(),
            "at byte 6, in command: expected command number 1 to 11, found number 99 with 0 bytes"
        );
        refused::<Record>(
            b"\x01\0\0\0\x02\0",
            "at byte 5, in section header: expected a name of 1 to 255 bytes, found 0 bytes",
        );
    }
}
