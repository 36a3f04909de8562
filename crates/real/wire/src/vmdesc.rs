//! The VM description: JSON at the end of a stream that describes the layout of the device sections
//! for offline readers.
//!
//! QEMU: `vmstate_save_state_v` (`migration/vmstate.c`),
//! `qemu_savevm_state_complete_precopy_non_iterable` (`migration/savevm.c`), and
//! `scripts/analyze-migration.py`, which reads it. QEMU's own loader skips it. It does not describe
//! sections that are sent in parts, such as `ram`.

use std::io::Read;

use serde::Serialize;

use crate::{Configuration, DecodeError, Decoder, IdStr, Put, TARGET_PAGE_SIZE, ValueError, Wire};

/// Maximum length of a VM description, in bytes. QEMU's are below 1 MiB even for machines with many
/// devices.
pub const MAX_VM_DESCRIPTION: usize = 16 << 20;

/// The body of record 0x06.
///
/// # Invariants
/// It has at most [`MAX_VM_DESCRIPTION`] bytes. A description that was built is JSON; a decoded one
/// need not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmDescription(Vec<u8>);

impl VmDescription {
    /// Makes the description from `json`.
    ///
    /// # Errors
    /// If it is too long or not JSON.
    pub fn new(json: String) -> Result<VmDescription, ValueError> {
        if json.len() > MAX_VM_DESCRIPTION {
            return Err(ValueError::VmDescriptionLength { len: json.len() });
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&json)
            .map_err(ValueError::VmDescriptionJson)?;
        Ok(VmDescription(json.into_bytes()))
    }

    /// Returns the text as it is in the stream.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The empty description, `{}`.
impl Default for VmDescription {
    fn default() -> Self {
        VmDescription(b"{}".to_vec())
    }
}

impl Wire for VmDescription {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_be32(self.0.len() as u32);
        out.extend_from_slice(&self.0);
    }

    fn decode<R: Read>(input: &mut Decoder<R>) -> Result<VmDescription, DecodeError> {
        let len = input.be32("length of the VM description")? as usize;
        input.bytes(len, MAX_VM_DESCRIPTION, "VM description").map(VmDescription)
    }
}

/// One field of a device's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// QEMU's name of the field.
    pub name: &'static str,
    /// QEMU's name of its encoding, for instance `uint32`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Length in the stream, in bytes.
    pub size: usize,
}

/// The layout of one device's state; [`crate::vmstate::save`] makes it while it writes the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceDescription {
    /// The name of the VMState description.
    pub vmsd_name: &'static str,
    /// The version of the format.
    pub version: u32,
    /// The fields, in the order of the stream.
    pub fields: Vec<Field>,
}

#[derive(Serialize)]
struct Device {
    name: String,
    instance_id: u32,
    #[serde(flatten)]
    state: DeviceDescription,
}

/// Collects the layout of the device sections, in the order they are written.
#[derive(Serialize)]
pub struct Builder {
    configuration: DeviceDescription,
    page_size: usize,
    devices: Vec<Device>,
}

impl Builder {
    /// Creates the description of a stream without device sections. It leaves out subsections of
    /// `configuration`.
    pub fn new(configuration: &Configuration) -> Builder {
        let fields = vec![
            Field { name: "len", kind: "uint32", size: 4 },
            Field { name: "name", kind: "buffer", size: configuration.machine.len() },
        ];
        Builder {
            configuration: DeviceDescription { vmsd_name: "configuration", version: 1, fields },
            page_size: TARGET_PAGE_SIZE,
            devices: Vec::new(),
        }
    }

    /// Adds the device section `idstr`, instance `instance_id`.
    pub fn device(&mut self, idstr: &IdStr, instance_id: u32, state: DeviceDescription) {
        self.devices.push(Device { name: idstr.to_string(), instance_id, state });
    }

    /// Returns the description.
    ///
    /// # Errors
    /// If it is too long.
    pub fn finish(&self) -> Result<VmDescription, ValueError> {
        VmDescription::new(serde_json::to_string(self).map_err(ValueError::VmDescriptionJson)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, refused};
    use crate::vmstate::{CpuTimers, save};

    #[test]
    fn the_keys_stand_in_the_order_of_qemu() {
        let mut builder =
            Builder::new(&Configuration { machine: "none".into(), ..Configuration::default() });
        let state = save(&CpuTimers::default(), &mut Vec::new());
        builder.device(&IdStr::new("timer").unwrap(), 0, state);
        let json = concat!(
            r#"{"configuration":{"vmsd_name":"configuration","version":1,"fields":["#,
            r#"{"name":"len","type":"uint32","size":4},{"name":"name","type":"buffer","size":4}]},"page_size":4096,"#,
            r#""devices":[{"name":"timer","instance_id":0,"vmsd_name":"timer","version":2,"fields":["#,
            r#"{"name":"cpu_ticks_offset","type":"int64","size":8},{"name":"unused","type":"unused_buffer","size":8},"#,
            r#"{"name":"cpu_clock_offset","type":"int64","size":8}]}]}"#,
        );
        let description = builder.finish().unwrap();
        assert_eq!(std::str::from_utf8(description.as_bytes()).unwrap(), json);
    }

    #[test]
    fn a_description_is_bounded_and_what_we_write_is_json() {
        golden(&VmDescription::new("[1]".into()).unwrap(), b"\0\0\0\x03[1]");
        let error = VmDescription::new("[1".into()).unwrap_err();
        assert_eq!(error.to_string(), "a VM description that is not JSON");
        let error = VmDescription::new(" ".repeat(MAX_VM_DESCRIPTION + 1)).unwrap_err();
        assert_eq!(error.to_string(), "a VM description of 16777217 bytes");
        golden(&VmDescription(b"\xff".to_vec()), b"\0\0\0\x01\xff");
        refused::<VmDescription>(
            b"\x01\0\0\x01{}",
            "at byte 4: expected VM description of at most 16777216 bytes, found 16777217 bytes",
        );
    }
}
