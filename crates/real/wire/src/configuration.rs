//! The configuration record: settings that both machines must share before anything is loaded.
//!
//! QEMU: `vmstate_configuration` and its subsections, `configuration_post_load`
//! (`migration/savevm.c`).

use std::io::Read;

use crate::{DecodeError, Decoder, IdStr, Put, Uuid, Wire};

/// Maximum length of a machine name that a decoder accepts, in bytes. QEMU's longest today has
/// about 30.
pub const MAX_MACHINE_NAME: usize = 255;

/// Maximum number of capabilities that a decoder accepts. QEMU has 21 today, and lists at most two
/// of them here.
pub const MAX_CAPABILITIES: u32 = 64;

/// First byte of a VMState subsection (`QEMU_VM_SUBSECTION`).
pub(crate) const SUBSECTION: u8 = 0x05;

const TARGET_PAGE_BITS: &str = "configuration/target-page-bits";
const CAPABILITIES: &str = "configuration/capabilities";
const UUID: &str = "configuration/uuid";

/// The subsections, in the order of the stream.
const SUBSECTIONS: [&str; 3] = [TARGET_PAGE_BITS, CAPABILITIES, UUID];

/// The body of record 0x07.
///
/// Its subsections are of version 1, at most one of each kind, and in the order of the fields here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The machine type, for instance `none` or `pc-q35-7.2`; a decoder refuses more than
    /// [`MAX_MACHINE_NAME`] bytes.
    pub machine: String,
    /// log2 of the target page size; sent only if it is larger than the target's legacy default.
    pub target_page_bits: Option<u32>,
    /// The capabilities among x-ignore-shared and mapped-ram that are on; a decoder refuses more
    /// than [`MAX_CAPABILITIES`].
    pub capabilities: Option<Vec<IdStr>>,
    /// The machine's UUID; sent only with capability validate-uuid.
    pub uuid: Option<Uuid>,
}

fn put_subsection(out: &mut Vec<u8>, name: &str) {
    out.push(SUBSECTION);
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
    out.put_be32(1);
}

impl Wire for Configuration {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_be32(self.machine.len() as u32);
        out.extend_from_slice(self.machine.as_bytes());
        if let Some(bits) = self.target_page_bits {
            put_subsection(out, TARGET_PAGE_BITS);
            out.put_be32(bits);
        }
        if let Some(capabilities) = &self.capabilities {
            put_subsection(out, CAPABILITIES);
            out.put_be32(capabilities.len() as u32);
            for capability in capabilities {
                capability.encode(out);
            }
        }
        if let Some(uuid) = &self.uuid {
            put_subsection(out, UUID);
            out.extend_from_slice(uuid.as_bytes());
        }
    }

    /// Reads the configuration. Also waits for the byte after it, which shows whether a subsection
    /// follows.
    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<Configuration, DecodeError> {
        let len = input.be32("length of the machine name")? as usize;
        let at = input.offset();
        let machine = input.bytes(len, MAX_MACHINE_NAME, "machine name")?;
        let machine = String::from_utf8(machine).map_err(|error| {
            let found = format!("\"{}\"", error.as_bytes().escape_ascii());
            input.error_at(at, "a machine name in UTF-8", found)
        })?;
        let mut configuration = Configuration { machine, ..Configuration::default() };
        let mut allowed = SUBSECTIONS.as_slice();
        while input.peek_u8()? == Some(SUBSECTION) {
            allowed = configuration.subsection(input, allowed)?;
        }
        Ok(configuration)
    }
}

impl Configuration {
    /// Reads one of the `allowed` subsections, and returns the ones that may follow it.
    fn subsection<'a, R: Read>(
        &mut self,
        input: &mut Decoder<R>,
        allowed: &'a [&'a str],
    ) -> Result<&'a [&'a str], DecodeError> {
        let at = input.offset();
        input.u8("subsection")?;
        let name = IdStr::decode(input)?;
        let mut later = allowed.iter();
        if !later.any(|known| *known == name.as_str()) {
            let expected = format!("at most these subsections, in order: {allowed:?}");
            return Err(input.error_at(at, expected, format!("{name:?}")));
        }
        let at = input.offset();
        let version = input.be32("version of the subsection")?;
        if version != 1 {
            let expected = format!("version 1 of subsection {name:?}");
            return Err(input.error_at(at, expected, format!("version {version}")));
        }
        match name.as_str() {
            TARGET_PAGE_BITS => self.target_page_bits = Some(input.be32("target page bits")?),
            CAPABILITIES => {
                let at = input.offset();
                let count = input.be32("number of capabilities")?;
                if count > MAX_CAPABILITIES {
                    let expected = format!("at most {MAX_CAPABILITIES} capabilities");
                    return Err(input.error_at(at, expected, count.to_string()));
                }
                let names = (0..count).map(|_| IdStr::decode(input)).collect::<Result<_, _>>()?;
                self.capabilities = Some(names);
            }
            _ => {
                self.uuid = Some(input.uuid(UUID)?);
            }
        }
        Ok(later.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{decoded, golden, refused};

    fn full() -> Configuration {
        Configuration {
            machine: "none".into(),
            target_page_bits: Some(14),
            capabilities: Some(vec![IdStr::new("mapped-ram").unwrap()]),
            uuid: Some(Uuid::from_bytes([0xab; 16])),
        }
    }

    const FULL: &[&[u8]] = &[
        b"\0\0\0\x04none",
        b"\x05\x1econfiguration/target-page-bits\0\0\0\x01\0\0\0\x0e",
        b"\x05\x1aconfiguration/capabilities\0\0\0\x01\0\0\0\x01\x0amapped-ram",
        b"\x05\x12configuration/uuid\0\0\0\x01",
        &[0xab; 16],
    ];

    #[test]
    fn a_configuration_is_its_name_and_its_subsections() {
        golden(&Configuration { machine: "none".into(), ..Configuration::default() }, FULL[0]);
        let mut out = Vec::new();
        full().encode(&mut out);
        assert_eq!(out, FULL.concat());
        assert_eq!(decoded::<Configuration>(&out).unwrap(), full());
    }

    #[test]
    fn names_versions_and_counts_out_of_bounds_are_refused() {
        refused::<Configuration>(
            b"\0\0\x01\0none",
            "at byte 4: expected machine name of at most 255 bytes, found 256 bytes",
        );
        refused::<Configuration>(
            b"\0\0\0\x02\xffA",
            "at byte 4: expected a machine name in UTF-8, found \"\\xffA\"",
        );
        // QEMU keeps only the low byte of the version, and would read this as version 1.
        refused::<Configuration>(
            b"\0\0\0\x01n\x05\x12configuration/uuid\0\0\x01\x01",
            "at byte 25: expected version 1 of subsection \"configuration/uuid\", found version 257",
        );
        refused::<Configuration>(
            b"\0\0\0\x01n\x05\x1aconfiguration/capabilities\0\0\0\x01\0\0\0\x41",
            "at byte 37: expected at most 64 capabilities, found 65",
        );
    }

    #[test]
    fn unknown_repeated_and_unordered_subsections_are_refused() {
        refused::<Configuration>(
            b"\0\0\0\x01n\x05\x0fconfiguration/x\0\0\0\x01",
            "at byte 5: expected at most these subsections, in order: \
             [\"configuration/target-page-bits\", \"configuration/capabilities\", \"configuration/uuid\"], \
             found \"configuration/x\"",
        );
        let uuid = [FULL[3], FULL[4]].concat();
        for (first, second) in [
            (FULL[1], FULL[1]),
            (FULL[2], FULL[2]),
            (&uuid, &uuid),
            (FULL[2], FULL[1]),
            (&uuid, FULL[2]),
        ] {
            let bytes = [FULL[0], first, second].concat();
            let error = decoded::<Configuration>(&bytes).unwrap_err();
            assert!(error.expected.starts_with("at most these subsections"), "{error}");
            assert_eq!(error.offset, (FULL[0].len() + first.len()) as u64);
        }
    }
}
